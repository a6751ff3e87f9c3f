package hermod.broker.topic;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.UnpooledByteBufAllocator;
import org.junit.jupiter.api.Test;

class DeduplicationTest {
    private final ChunkPool chunks = new ChunkPool(UnpooledByteBufAllocator.DEFAULT, new ChunkTable(), 4_096);

    private TopicLog log(int handle) {
        return new TopicLog(TopicFixture.topic(handle), chunks, TopicFixture.replay(), 1, 0);
    }

    private static Deduplication deduplication(int producersPerTopic, long limitBytes) {
        return new Deduplication(TopicFixture.config(10, 10, producersPerTopic, limitBytes));
    }

    @Test
    void aSequenceIsKnownPerTopicAndProducer() {
        Deduplication deduplication = deduplication(10, 1_000_000);
        TopicLog log = log(1);
        TopicLog other = log(2);
        deduplication.put(log, 7, 1, 100, 0);
        assertThat(deduplication.find(log, 7, 1)).isEqualTo(100);
        assertThat(deduplication.find(log, 8, 1)).isZero();
        assertThat(deduplication.find(other, 7, 1)).isZero();
    }

    @Test
    void atTheBoundOfATopicItsLongestSilentProducerIsForgotten() {
        Deduplication deduplication = deduplication(3, 1_000_000);
        TopicLog log = log(1);
        deduplication.put(log, 1, 1, 1, 10);
        deduplication.put(log, 2, 1, 2, 20);
        deduplication.put(log, 3, 1, 3, 30);
        deduplication.put(log, 1, 2, 4, 40);
        assertThat(deduplication.forgottenCount()).isZero();
        deduplication.put(log, 4, 1, 5, 50);
        assertThat(deduplication.find(log, 2, 1)).isZero();
        assertThat(deduplication.find(log, 1, 1)).isEqualTo(1);
        assertThat(deduplication.find(log, 4, 1)).isEqualTo(5);
        assertThat(deduplication.forgottenCount()).isEqualTo(1);
    }

    @Test
    void memoryStaysWithinItsBoundAlsoWhenEachProducerHasATopicOfItsOwn() {
        long limitBytes = 10 * SequenceWindow.bytesAtFirst();
        Deduplication deduplication = deduplication(100, limitBytes);
        TopicLog first = log(1);
        deduplication.put(first, 1, 1, 1, 0);
        for (int i = 2; i <= 1_000; i++) {
            deduplication.put(log(i), 1, 1, 1, i);
            assertThat(deduplication.usedBytes()).isLessThanOrEqualTo(limitBytes);
        }
        assertThat(deduplication.find(first, 1, 1)).isZero();
        assertThat(deduplication.forgottenCount()).isEqualTo(990);
    }

    @Test
    void memoryStaysWithinItsBoundAlsoWhenWindowsGrow() {
        long limitBytes = 100_000;
        Deduplication deduplication = deduplication(100, limitBytes);
        TopicLog log = log(1);
        for (int producer = 1; producer <= 50; producer++) {
            deduplication.put(log, producer, 1, 1, producer);
        }
        for (int producer = 1; producer <= 50; producer++) {
            // Far enough apart to need the whole table, near enough to stay in the window.
            deduplication.put(log, producer, 513, 2, 100 + producer);
            assertThat(deduplication.usedBytes()).isLessThanOrEqualTo(limitBytes);
            assertThat(deduplication.find(log, producer, 513)).isEqualTo(2);
        }
    }

    @Test
    void theProducerSilentLongestOnAnyTopicGoesFirst() {
        Deduplication deduplication = deduplication(100, 3 * SequenceWindow.bytesAtFirst());
        TopicLog one = log(1);
        TopicLog two = log(2);
        deduplication.put(one, 1, 1, 1, 10);
        deduplication.put(two, 1, 1, 1, 20);
        deduplication.put(two, 2, 1, 2, 30);
        deduplication.put(one, 1, 2, 2, 40);
        deduplication.put(two, 3, 1, 3, 50);
        assertThat(deduplication.find(two, 1, 1)).isZero();
        assertThat(deduplication.find(one, 1, 1)).isEqualTo(1);
        assertThat(deduplication.find(two, 2, 1)).isEqualTo(2);
    }

    @Test
    void whereAllWereUsedAgainTheOneBehindTheSixtyFourEldestGoes() {
        Deduplication deduplication = deduplication(1_000, 100 * SequenceWindow.bytesAtFirst());
        TopicLog log = log(1);
        for (int producer = 1; producer <= 100; producer++) {
            deduplication.put(log, producer, 1, producer, producer);
        }
        for (int producer = 1; producer <= 100; producer++) {
            deduplication.put(log, producer, 2, 100 + producer, 1_000 + producer);
        }
        deduplication.put(log, 101, 1, 201, 2_000);
        assertThat(deduplication.forgottenCount()).isEqualTo(1);
        assertThat(deduplication.find(log, 65, 2)).isZero();
        assertThat(deduplication.find(log, 1, 2)).isEqualTo(101);
    }

    @Test
    void aTopicThatIsForgottenGivesItsMemoryBackAndCountsNoProducerAsForgotten() {
        Deduplication deduplication = deduplication(100, 1_000_000);
        TopicLog log = log(1);
        TopicLog stays = log(2);
        deduplication.put(stays, 1, 1, 9, 0);
        for (int producer = 1; producer <= 20; producer++) {
            deduplication.put(log, producer, 1, 1, 0);
        }
        deduplication.forget(log);
        assertThat(deduplication.usedBytes()).isEqualTo(SequenceWindow.bytesAtFirst());
        assertThat(deduplication.forgottenCount()).isZero();
        assertThat(deduplication.find(log, 1, 1)).isZero();
        assertThat(deduplication.find(stays, 1, 1)).isEqualTo(9);
    }
}
