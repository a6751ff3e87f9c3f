package hermod.broker.audit;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.metrics.ShardMetrics;
import io.netty.buffer.ByteBuf;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class AuditAllocationTest {
    private static final int EVENTS = 20_000;

    /** Takes everything and keeps nothing. */
    private static final class Sink implements EventLog.Appender {
        private long tickets;

        @Override
        public boolean hasRoom(boolean isUrgent, int bytes) {
            return true;
        }

        @Override
        public long append(boolean isUrgent, long stream, ByteBuf entries) {
            return ++tickets;
        }

        @Override
        public long reserve(boolean isUrgent, long stream, long end) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void flush() {}
    }

    @Test
    void aSafetyEventIsRecordedWithoutGarbage() {
        AuditStream stream = new AuditStream(Writer.STREAM, 1);
        AuditTrail trail = new AuditTrail(
                AuditConfig.defaults(),
                new AuditStream.Head(stream, 0, RecordLayout.firstHash(stream.name()), 0, ""),
                new Sink(),
                new ShardMetrics(0, 1, 0));
        byte[] user = "ann".getBytes(StandardCharsets.UTF_8);
        record(trail, user);
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        record(trail, user);
        long allocated = threads.getCurrentThreadAllocatedBytes() - before;
        assertThat(allocated / EVENTS).as("bytes for each event").isLessThan(1);
        assertThat(trail.storedSequence()).isEqualTo(2 * EVENTS);
    }

    private static void record(AuditTrail trail, byte[] user) {
        for (int i = 0; i < EVENTS; i++) {
            long sequence = trail.safetyEvent(i, "acme", "safety:alarm", i, user, 17, 3, i);
            if (i % 8 == 7) {
                trail.onStored(sequence);
            }
        }
    }

    @Test
    void whatPiledUpDuringAFailureIsGivenBack() throws Exception {
        try (AlterableEngine engine = new AlterableEngine()) {
            Writer writer = new Writer(engine);
            engine.failsAtOnce = EngineFault.FULL;
            writer.write(2_000);
            assertThat(writer.trail.heldBytes()).isGreaterThan(400_000);
            engine.failsAtOnce = null;
            writer.passRetryTime();
            engine.storeAll();
            assertThat(writer.trail.storedSequence()).isEqualTo(2_000);
            assertThat(writer.trail.heldBytes()).isLessThanOrEqualTo(65_536);
        }
    }
}
