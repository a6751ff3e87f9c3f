package hermod.broker.topic;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.TopicName;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;

class HomeTopicsTest {
    private static final int IDLE_SECONDS = 300;

    private final HandleTable handles = new HandleTable();
    private final HomeTopics topics = topics(0, 1, 1_000_000);

    private HomeTopics topics(int shard, int shardCount, int limitCount) {
        TopicConfig config = TopicFixture.config(limitCount, IDLE_SECONDS, 10, 1_000_000);
        ChunkPool chunks = new ChunkPool(UnpooledByteBufAllocator.DEFAULT, new ChunkTable(), 4_096);
        return new HomeTopics(
                shard, shardCount, config, handles, chunks, TopicFixture.replay(), new Deduplication(config));
    }

    private TopicLog open(String name, long atSeconds) {
        return topics.open("acme", TopicName.of(name), TopicFixture.CHAT, ns(atSeconds));
    }

    private static long ns(long seconds) {
        return TimeUnit.SECONDS.toNanos(seconds);
    }

    private TopicLog openAndHold(String name, long atSeconds) {
        TopicLog log = open(name, atSeconds);
        log.hold(0, true);
        return log;
    }

    private void letGo(TopicLog log, long atSeconds) {
        log.letGo(0, true, ns(atSeconds));
        if (log.isIdle()) {
            topics.onIdle(log);
        }
    }

    @Test
    void aNameIsOneTopicInsideAnOrgAndAnotherInTheNext() {
        TopicLog log = open("chat:a", 0);
        assertThat(open("chat:a", 1)).isSameAs(log);
        TopicLog other = topics.open("other", TopicName.of("chat:a"), TopicFixture.CHAT, 0);
        assertThat(other).isNotSameAs(log);
        assertThat(other.topic().handle()).isNotEqualTo(log.topic().handle());
        assertThat(topics.count()).isEqualTo(2);
    }

    @Test
    void asManyTopicsAreMadeAsThereMayBeAndNoneBeyond() {
        HomeTopics few = topics(0, 2, 6);
        for (int i = 0; i < 3; i++) {
            assertThat(few.open("acme", TopicName.of("chat:" + i), TopicFixture.CHAT, 0))
                    .isNotNull();
        }
        assertThat(few.open("acme", TopicName.of("chat:3"), TopicFixture.CHAT, 0))
                .isNull();
        assertThat(few.open("acme", TopicName.of("chat:2"), TopicFixture.CHAT, 0))
                .isNotNull();
    }

    @Test
    void aTopicIsForgottenWhenItWasIdleLongEnoughAndNotBefore() {
        TopicLog log = openAndHold("chat:a", 0);
        letGo(log, 100);
        topics.forgetIdle(ns(100 + IDLE_SECONDS) - 1);
        assertThat(topics.count()).isEqualTo(1);
        topics.forgetIdle(ns(100 + IDLE_SECONDS));
        assertThat(topics.count()).isZero();
        assertThat(topics.of(log.topic().handle())).isNull();
        assertThat(handles.of(log.topic().handle())).isNull();
    }

    @Test
    void aTopicIsNotForgottenWhileItIsHeldHoweverOften() {
        TopicLog log = openAndHold("chat:a", 0);
        letGo(log, 1);
        log.hold(0, true);
        topics.forgetIdle(ns(10_000));
        assertThat(topics.of(log.topic().handle())).isSameAs(log);
        letGo(log, 10_000);
        topics.forgetIdle(ns(10_000 + IDLE_SECONDS) - 1);
        assertThat(topics.count()).isEqualTo(1);
        topics.forgetIdle(ns(10_000 + IDLE_SECONDS));
        assertThat(topics.count()).isZero();
    }

    @Test
    void aTopicThatComesBackHasANewEpochAndANewHandleAndStartsAtOne() {
        TopicLog log = openAndHold("chat:a", 0);
        letGo(log, 0);
        topics.forgetIdle(ns(IDLE_SECONDS));
        TopicLog back = open("chat:a", 1_000);
        assertThat(back.topic().handle()).isNotEqualTo(log.topic().handle());
        assertThat(back.topic().epoch()).isNotEqualTo(log.topic().epoch());
        assertThat(back.nextOffset()).isEqualTo(1);
        assertThat(handles.of(log.topic().handle())).isNull();
    }

    @Test
    void aTopicThatComesAndGoesDoesNotKeepTheOthersFromBeingForgotten() {
        TopicLog restless = openAndHold("chat:restless", 0);
        letGo(restless, 0);
        TopicLog quiet = openAndHold("chat:quiet", 0);
        letGo(quiet, 1);
        for (int at = 10; at <= 310; at += 10) {
            restless.hold(0, true);
            letGo(restless, at);
        }
        topics.forgetIdle(ns(311));
        assertThat(topics.of(quiet.topic().handle())).isNull();
        assertThat(topics.of(restless.topic().handle())).isSameAs(restless);
    }

    @Test
    void aTopicThatComesAndGoesCostsNoMoreThanOneThatWentOnce() {
        TopicLog restless = openAndHold("chat:restless", 0);
        for (int i = 0; i < 10_000; i++) {
            letGo(restless, 1);
            restless.hold(0, true);
        }
        letGo(restless, 2);
        assertThat(topics.idleCount()).isEqualTo(1);
    }

    @Test
    void namesWhoseHashesAreEqualAreFoundAsFastAsOthers() {
        int bits = 16;
        Assertions.assertTimeout(Duration.ofSeconds(60), () -> {
            for (int i = 0; i < 1 << bits; i++) {
                StringBuilder name = new StringBuilder("chat:");
                for (int bit = 0; bit < bits; bit++) {
                    // "Aa" and "BB" have one hash code, so all these names have.
                    name.append((i >> bit & 1) == 0 ? "Aa" : "BB");
                }
                assertThat(open(name.toString(), 0)).isNotNull();
            }
        });
        assertThat(topics.count()).isEqualTo(1 << bits);
    }

    @Test
    void homesHandOutHandlesThatNoOtherHomeDoes() {
        HomeTopics first = topics(0, 3, 300);
        HomeTopics third = topics(2, 3, 300);
        for (int i = 0; i < 100; i++) {
            TopicLog one = first.open("acme", TopicName.of("chat:a" + i), TopicFixture.CHAT, 0);
            TopicLog other = third.open("acme", TopicName.of("chat:b" + i), TopicFixture.CHAT, 0);
            assertThat(HandleTable.index(one.topic().handle()) % 3).isZero();
            assertThat(HandleTable.index(other.topic().handle()) % 3).isEqualTo(2);
        }
    }

    @Test
    void everyNameHasOneHomeAndManyNamesHaveAll() {
        int[] counts = new int[3];
        for (int i = 0; i < 3_000; i++) {
            int home = HomeTopics.homeOf("acme", "chat:" + i, 3);
            assertThat(HomeTopics.homeOf("acme", "chat:" + i, 3)).isEqualTo(home);
            counts[home]++;
        }
        assertThat(java.util.Arrays.stream(counts).boxed()).allMatch(count -> count > 700);
    }
}
