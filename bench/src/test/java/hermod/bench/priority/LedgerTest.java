package hermod.bench.priority;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import hermod.bench.load.Stamp;
import hermod.protocol.ErrorCode;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class LedgerTest {
    private static final int RUN = 77;
    private static final int PHASE = 2;
    private static final int LOW = Priority.LOW.code();
    private static final int NORMAL = Priority.NORMAL.code();

    private final long fromNs = System.nanoTime() - TimeUnit.SECONDS.toNanos(1);
    private final Ledger ledger = new Ledger(RUN, PHASE, fromNs, fromNs + TimeUnit.SECONDS.toNanos(60));

    private void deliver(int lane, int number, int wireBytes, long intendedNs) {
        deliver(RUN, PHASE, lane, number, wireBytes, intendedNs);
    }

    private void deliver(int run, int phase, int lane, int number, int wireBytes, long intendedNs) {
        ByteBuf payload = Unpooled.wrappedBuffer(Stamp.payload(run, phase, number, 0, intendedNs, new byte[0]));
        ledger.event(lane, wireBytes, payload, 0, payload.readableBytes());
    }

    @Test
    void whatWasAcceptedAndNeitherCameNorWasAnnouncedAsLeftOutIsLost() {
        ledger.sent(LOW, 10);
        ledger.accepted(LOW, 9);
        ledger.refused(LOW, ErrorCode.BACK_PRESSURED.code());
        deliver(LOW, 0, 100, fromNs);
        deliver(LOW, 5, 100, fromNs);
        ledger.shed(LOW, 4);

        assertThat(ledger.lost(LOW)).isEqualTo(3);
        assertThat(ledger.unaccounted(LOW)).isZero();
        assertThat(ledger.isSettled()).isFalse();
        assertThat(ledger.refusals()).isEqualTo(Map.of("BACK_PRESSURED", 1L));
    }

    @Test
    void aGapThatIsFilledLaterIsNoLossAndNoShedding() {
        ledger.sent(NORMAL, 2);
        ledger.accepted(NORMAL, 2);
        ledger.shed(NORMAL, 2);
        deliver(NORMAL, 0, 100, fromNs);
        deliver(NORMAL, 1, 100, fromNs);
        ledger.shed(NORMAL, -2);

        assertThat(ledger.lost(NORMAL)).isZero();
        assertThat(ledger.shed(NORMAL)).isZero();
        assertThat(ledger.isSettled()).isTrue();
    }

    @Test
    void aDuplicateCountsAsDisorderAndHidesNoLoss() {
        ledger.sent(LOW, 2);
        ledger.accepted(LOW, 2);
        deliver(LOW, 0, 100, fromNs);
        deliver(LOW, 0, 100, fromNs);

        assertThat(ledger.disordered(LOW)).isEqualTo(1);
        assertThat(ledger.lost(LOW)).isEqualTo(1);
    }

    @Test
    void eventsOfAnotherRunOrPhaseArePassedOver() {
        deliver(RUN + 1, PHASE, LOW, 0, 100, fromNs);
        deliver(RUN, PHASE - 1, LOW, 0, 100, fromNs);

        assertThat(ledger.delivered(LOW)).isZero();
        assertThat(ledger.bytesPerSecond()).isZero();
    }

    @Test
    void latencyRunsFromTheIntendedMomentAndLeavesTheRampOut() {
        deliver(LOW, 0, 100, fromNs - 1);
        deliver(LOW, 1, 100, System.nanoTime() - TimeUnit.MILLISECONDS.toNanos(50));

        assertThat(ledger.latency(LOW).getTotalCount()).isEqualTo(1);
        assertThat(ledger.latency(LOW).getMaxValue()).isGreaterThanOrEqualTo(TimeUnit.MILLISECONDS.toNanos(49));
    }

    @Test
    void theShareOfALaneIsOfTheBytesAndASecondWithoutItShows() {
        for (int i = 0; i < 10; i++) {
            deliver(LOW, i, 100, fromNs);
            deliver(NORMAL, i, 300, fromNs);
        }

        assertThat(ledger.meanShare(LOW)).isCloseTo(0.25, within(1e-9));
        assertThat(ledger.leastShare(LOW)).as("most seconds had nothing").isZero();
        assertThat(ledger.bytesPerSecond() * 60).isCloseTo(4_000, within(1e-6));
    }
}
