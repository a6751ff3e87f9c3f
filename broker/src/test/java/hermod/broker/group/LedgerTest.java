package hermod.broker.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("EV-12")
class LedgerTest {
    private static final GroupConfig CONFIG = GroupConfig.defaults();
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

    private final Ledger ledger = new Ledger(CONFIG, new Settled(1));
    private final Hands a = new Hands();
    private final Hands b = new Hands();
    private final Map<Long, Long> topics = new HashMap<>();
    private long nowNs = 1;

    private void load(long position, long topic) {
        topics.put(position, topic);
        ledger.load(position, topic, "chat:" + topic, 1, new byte[10], new Ledger.Facts(10, position, Long.MAX_VALUE));
    }

    /** What was handed out before is read again when it is missing. */
    private List<Ledger.Taken> taken(Hands hands, int limit) {
        ledger.advance(nowNs);
        List<Ledger.Taken> taken = new ArrayList<>();
        do {
            taken.addAll(ledger.take(hands, limit - taken.size(), nowNs, 0));
            if (ledger.missing() != 0) {
                load(ledger.missing(), topics.get(ledger.missing()));
            }
        } while (ledger.missing() != 0);
        return taken;
    }

    private List<Long> take(Hands hands, int limit) {
        return taken(hands, limit).stream().map(Ledger.Taken::position).toList();
    }

    @Test
    void topicsAreSharedOutAndATopicStaysWithWhoHasSomethingOfIt() {
        for (int i = 1; i <= 6; i++) {
            load(i, i % 2);
        }
        assertThat(take(a, 1)).containsExactly(1L);
        assertThat(take(b, 10)).containsExactly(2L, 4L, 6L);
        assertThat(take(b, 10)).isEmpty();
        assertThat(ledger.isStarved()).isTrue();
        assertThat(take(a, 10)).containsExactly(3L, 5L);
        assertThat(ledger.settle(a, 1, 5)).isEqualTo(3);
        load(7, 1);
        assertThat(take(b, 10)).as("nobody has anything of it now").containsExactly(7L);
    }

    @Test
    void whatWasReleasedComesAgainAfterASecondThenTwoUpToSixty() {
        load(1, 1);
        long waited = 1;
        for (int attempt = 1; attempt <= 10; attempt++) {
            assertThat(take(a, 1)).containsExactly(1L);
            ledger.release(a, 1, 1, nowNs);
            nowNs += waited * SECOND - 1;
            assertThat(take(a, 1)).isEmpty();
            assertThat(ledger.wakeNs()).isEqualTo(nowNs + 1);
            nowNs++;
            waited = Math.min(60, 2 * waited);
        }
        assertThat(waited).isEqualTo(60);
    }

    @Test
    void whatIsHandedOutAgainTakesWhatIsBehindItInItsTopicWithIt() {
        load(1, 1);
        load(2, 1);
        load(3, 2);
        load(4, 1);
        assertThat(take(a, 3)).containsExactly(1L, 2L, 3L);
        ledger.release(a, 2, 2, nowNs);
        assertThat(take(a, 9)).as("2 waits, and 4 behind it").isEmpty();
        nowNs += SECOND;
        assertThat(take(b, 9)).as("1 is in other hands").isEmpty();
        ledger.settle(a, 1, 1);
        assertThat(take(b, 9)).containsExactly(2L, 4L);
        assertThat(ledger.settle(a, 2, 2)).as("not in these hands").isZero();
        ledger.leave(b, nowNs);
        assertThat(take(a, 9)).as("at once, from who is gone").containsExactly(2L, 4L);
    }

    @Test
    void whatIsNotSettledInTimeComesBackAndOtherTopicsGoOn() {
        load(1, 1);
        load(2, 1);
        load(3, 2);
        assertThat(take(a, 9)).containsExactly(1L, 2L, 3L);
        ledger.settle(a, 3, 3);
        nowNs += CONFIG.settleTimeoutNs();
        load(4, 1);
        load(5, 2);
        assertThat(take(b, 9)).containsExactly(5L);
        assertThat(ledger.settle(a, 1, 2)).as("too late").isZero();
        nowNs += SECOND;
        List<Ledger.Taken> again = taken(b, 9);
        assertThat(again).extracting(Ledger.Taken::position).containsExactly(1L, 2L, 4L);
        assertThat(again).extracting(Ledger.Taken::attempt).containsExactly(2, 2, 1);
    }

    @Test
    void aTopicThatIsStuckHoldsBackTheOthersOnlyAtTheEndOfTheWindow() {
        load(1, 1);
        assertThat(take(a, 1)).containsExactly(1L);
        for (long position = 2; position <= Ledger.WINDOW + 10; position++) {
            load(position, 2);
            ledger.settle(b, position, position);
            take(b, 1);
            ledger.settle(b, position, position);
        }
        assertThat(ledger.readTo()).isEqualTo(Ledger.WINDOW + 1);
        assertThat(ledger.readRoom()).isZero();
        assertThat(ledger.settled().floor()).isEqualTo(1);
        assertThat(ledger.placeCount()).isEqualTo(1);
        ledger.settle(a, 1, 1);
        assertThat(ledger.settled().floor()).isEqualTo(Ledger.WINDOW + 1);
        assertThat(ledger.readRoom()).isEqualTo(Ledger.WINDOW);
    }

    @Test
    void aGroupThatWasAwayLongLosesTheRangeInOneStep() {
        load(1, 1);
        take(a, 1);
        ledger.settle(a, 1, 1);
        ledger.keptFrom(5_000_000_000L);
        assertThat(ledger.takeLost()).isEqualTo(new Ledger.Range(2, 4_999_999_999L));
        assertThat(ledger.takeLost()).isNull();
        assertThat(ledger.settled().floor()).isEqualTo(5_000_000_000L);
        assertThat(ledger.readTo()).isEqualTo(5_000_000_000L);
    }

    @Test
    void anEventPastItsTimeIsPassedOverAndCountsAsSettled() {
        ledger.load(1, 1, "chat:1", 1, new byte[10], new Ledger.Facts(10, 1, 100));
        load(2, 1);
        assertThat(ledger.take(a, 9, nowNs, 100))
                .extracting(Ledger.Taken::position)
                .containsExactly(2L);
        assertThat(ledger.settled().floor()).isEqualTo(2);
        assertThat(ledger.expiredCount()).isEqualTo(1);
        assertThat(ledger.hasLost()).isFalse();
    }

    @Test
    void whatIsForgottenIsAskedForWhenItIsItsTurn() {
        for (int i = 1; i <= 5; i++) {
            load(i, i);
        }
        ledger.forget(20);
        assertThat(ledger.take(a, 9, nowNs, 0))
                .extracting(Ledger.Taken::position)
                .containsExactly(1L, 2L);
        assertThat(ledger.missing()).isEqualTo(3);
        assertThat(take(a, 1)).containsExactly(3L);
        assertThat(ledger.take(a, 9, nowNs, 0)).isEmpty();
        assertThat(ledger.missing()).isEqualTo(4);
    }

    @Test
    void whatIsSettledSurvivesBeingStored() {
        Settled settled = new Settled(1_000_000);
        for (long position : new long[] {1_000_000, 1_000_002, 1_000_003, 1_000_500, 1_000_000 + Ledger.WINDOW}) {
            settled.add(position);
        }
        ByteBuf out = Unpooled.buffer();
        settled.write(out);
        Settled read = Settled.read(out.copy());
        assertThat(read.floor()).isEqualTo(1_000_001);
        assertThat(read.countAbove()).isEqualTo(4);
        for (long position = 999_990; position < 1_000_001 + Ledger.WINDOW; position++) {
            assertThat(read.contains(position)).isEqualTo(settled.contains(position));
        }
        assertThatThrownBy(() -> read.add(1_000_002)).isInstanceOf(IllegalArgumentException.class);
        out.setLongLE(0, 0);
        assertThatThrownBy(() -> Settled.read(out)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void everySecondPositionOfTheWindowSettledIsStoredInLessThanATenthOfAValue() {
        Settled settled = new Settled(1);
        for (long position = 2; position <= Ledger.WINDOW; position += 2) {
            settled.add(position);
        }
        ByteBuf out = Unpooled.buffer();
        settled.write(out);
        assertThat(out.readableBytes()).isLessThan(100_000);
        assertThat(Settled.read(out).countAbove()).isEqualTo(Ledger.WINDOW / 2);
    }
}
