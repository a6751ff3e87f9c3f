package hermod.broker.admission;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("DL-10")
class RateLimitsTest {
    private static final long SECOND_NS = 1_000_000_000L;
    private static final long MS_NS = 1_000_000L;
    private static final int CHAT = 3;

    private final RateLimits limits = new RateLimits(2);
    private long nowNs = -5 * SECOND_NS;

    private EventRate of(String user) {
        return limits.ofChannel("acme", user, CHAT, 60, 5, nowNs);
    }

    private int publish(EventRate rate, int count) {
        int accepted = 0;
        for (int i = 0; i < count; i++) {
            accepted += rate.retryAfterMs(nowNs) == 0 ? 1 : 0;
        }
        return accepted;
    }

    @Test
    void aBurstIsTakenAtOnceAndThenOneEventASecond() {
        EventRate rate = of("alice");
        assertThat(publish(rate, 100)).isEqualTo(5);
        assertThat(rate.retryAfterMs(nowNs)).isEqualTo(1_000);
        nowNs += 400 * MS_NS;
        assertThat(rate.retryAfterMs(nowNs)).isEqualTo(600);
        nowNs += 600 * MS_NS;
        assertThat(rate.retryAfterMs(nowNs)).isZero();
        assertThat(rate.retryAfterMs(nowNs)).isEqualTo(1_000);
        nowNs += 3_600 * SECOND_NS;
        assertThat(publish(rate, 100)).as("after a long pause").isEqualTo(5);
    }

    @Test
    void whatOneConnectionUsesTheUsersOthersDoNotHave() {
        assertThat(publish(of("alice"), 3)).isEqualTo(3);
        assertThat(publish(of("alice"), 3)).isEqualTo(2);
        assertThat(publish(of("bob"), 9)).isEqualTo(5);
        assertThat(publish(limits.ofChannel("other", "alice", CHAT, 60, 5, nowNs), 9))
                .isEqualTo(5);
        assertThat(publish(limits.ofChannel("acme", "alice", CHAT + 1, 60, 5, nowNs), 9))
                .isEqualTo(5);
        assertThat(publish(limits.ofUrgent("acme", "alice", 60, 7, nowNs), 9)).isEqualTo(7);
    }

    @Test
    void reconnectingWinsNothing() {
        EventRate first = of("alice");
        assertThat(publish(first, 9)).isEqualTo(5);
        limits.giveBack(first, nowNs);
        assertThat(publish(of("alice"), 9)).isZero();
    }

    @Test
    void aRateIsForgottenWhenItsUserIsGoneAndItIsAsGoodAsNew() {
        EventRate rate = of("alice");
        publish(rate, 5);
        limits.giveBack(rate, nowNs);
        assertThat(limits.count()).isEqualTo(1);
        nowNs += 5 * SECOND_NS;
        of("bob");
        assertThat(limits.count()).as("bob's only").isEqualTo(1);
    }

    @Test
    void beyondTheLimitTheOneLetGoFirstIsForgottenAndNeverOneThatIsHeld() {
        EventRate held = of("held");
        publish(held, 5);
        for (String user : new String[] {"a", "b", "c"}) {
            EventRate rate = of(user);
            publish(rate, 5);
            limits.giveBack(rate, nowNs);
        }
        assertThat(limits.count()).isEqualTo(3);
        assertThat(publish(of("a"), 9)).as("forgotten").isEqualTo(5);
        assertThat(publish(of("b"), 9)).isZero();
        assertThat(publish(of("held"), 9)).isZero();
    }

    @Test
    void aRateThatIsTakenAgainWhileItWaitsToBeForgottenStays() {
        EventRate rate = of("alice");
        publish(rate, 5);
        limits.giveBack(rate, nowNs);
        EventRate again = of("alice");
        nowNs += 5 * SECOND_NS;
        limits.giveBack(of("bob"), nowNs);
        publish(again, 5);
        assertThat(of("alice")).isSameAs(again);
    }
}
