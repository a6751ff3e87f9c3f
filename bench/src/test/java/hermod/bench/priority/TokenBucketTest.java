package hermod.bench.priority;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class TokenBucketTest {
    private long nowNs = 1_000;

    private final TokenBucket bucket = new TokenBucket(1_000_000, 5_000, () -> nowNs);

    @Test
    void holdsAtMostItsBurstHoweverLongNobodyReads() {
        nowNs += 60_000_000_000L;

        assertThat(bucket.available()).isEqualTo(5_000);
    }

    @Test
    void fillsAtItsRateAndSaysHowLongToWait() {
        bucket.take(5_000);
        assertThat(bucket.nsUntil(1_000)).isEqualTo(1_000_000);

        nowNs += 400_000;
        assertThat(bucket.available()).isEqualTo(400);
        assertThat(bucket.nsUntil(1_000)).isEqualTo(600_000);
        assertThat(bucket.nsUntil(400)).isZero();
    }

    @Test
    void debtIsPaidBeforeAnythingMayBeReadAgain() {
        bucket.take(8_000);

        assertThat(bucket.available()).isEqualTo(-3_000);
        assertThat(bucket.nsUntil(1)).isEqualTo(3_001_000);
    }

    @Test
    void withoutARateThereIsNoLimit() {
        TokenBucket unlimited = new TokenBucket(0, 5_000, () -> nowNs);
        unlimited.take(1_000_000);

        assertThat(unlimited.available()).isEqualTo(Integer.MAX_VALUE);
        assertThat(unlimited.nsUntil(1_000_000)).isZero();
    }
}
