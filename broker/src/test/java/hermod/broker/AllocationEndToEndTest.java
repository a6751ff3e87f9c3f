package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import hermod.broker.session.SessionConfig;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadInfo;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * No event makes garbage: what the shards' threads allocate between the publisher's socket and the subscribers', in the steady state.
 *
 * <p>Allocation is not time: a noisy machine changes nothing in it. What is measured goes in lock step, a batch of events published and received before the next, in windows of some thousand events; the window with the least counts,
 * so that a late compilation or a tick of the shard is no fault, and an object of 16 bytes for each event is in all of them. The JVM has the flags the broker is started with and no leak detection, which would allocate for each buffer.
 */
@Tag("allocation")
@Timeout(120)
class AllocationEndToEndTest {
    private static final int WINDOW_COUNT = 5;
    private static final int PAYLOAD_BYTES = 128;

    /** An eighth of the smallest object there is; above a tick of the shard, which reads the wall clock as an object ten times a second. */
    private static final double BYTES_PER_EVENT_MAX = 2;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @Test
    void anEventOfABatchMakesNoGarbage() throws Exception {
        assertThat(leastBytesPerEvent(1, 1, 50, 50_000)).isLessThan(BYTES_PER_EVENT_MAX);
    }

    @Test
    void anEventThatComesAloneMakesNoGarbage() throws Exception {
        assertThat(leastBytesPerEvent(1, 1, 1, 10_000)).isLessThan(BYTES_PER_EVENT_MAX);
    }

    @Test
    void anEventForTwentySubscribersMakesNoGarbage() throws Exception {
        assertThat(leastBytesPerEvent(1, 20, 10, 4_000)).isLessThan(BYTES_PER_EVENT_MAX);
    }

    @Test
    void anEventThatCrossesShardsMakesNoGarbage() throws Exception {
        assertThat(leastBytesPerEvent(2, 2, 1, 10_000)).isLessThan(BYTES_PER_EVENT_MAX);
    }

    /** The bytes all shards allocate per published event, in the window with the least. */
    private static double leastBytesPerEvent(int shards, int subscribers, int batch, int windowEvents)
            throws Exception {
        SessionConfig defaults = SessionConfig.defaults();
        // A limit that is asked and never reached: asking is a part of the path.
        SessionConfig session = new SessionConfig(
                defaults.pingIntervalMs(),
                defaults.silenceTimeoutMs(),
                defaults.topicsPerConnectionLimitCount(),
                10_000_000,
                1 << 30);
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().shards(shards).session(session).start()) {
            Load load = new Load(broker, subscribers, batch);
            load.publish(2 * windowEvents);
            double least = Double.MAX_VALUE;
            for (int i = 0; i < WINDOW_COUNT; i++) {
                long before = allocatedByShards(shards);
                load.publish(windowEvents);
                double bytes = (allocatedByShards(shards) - before) / (double) windowEvents;
                System.out.printf(
                        "%d shards, 1 -> %d, batches of %d: %.3f bytes per event%n", shards, subscribers, batch, bytes);
                least = Math.min(least, bytes);
            }
            return least;
        }
    }

    private static long allocatedByShards(int shards) {
        long sum = 0;
        int found = 0;
        for (ThreadInfo thread : THREADS.getThreadInfo(THREADS.getAllThreadIds())) {
            if (thread != null && thread.getThreadName().startsWith("hermod-shard")) {
                sum += THREADS.getThreadAllocatedBytes(thread.getThreadId());
                found++;
            }
        }
        assertThat(found).as("threads of shards").isEqualTo(shards);
        return sum;
    }

    /** One publisher and its subscribers, in lock step. */
    private static final class Load {
        private final RawClient publisher;
        private final List<RawClient> subscribers = new ArrayList<>();
        private final int batch;
        private final ByteBuf frames;
        private final int frameBytes;
        private final byte[] received = new byte[64 * 1024];
        private long sequence = 1;

        Load(BrokerUnderTest broker, int subscriberCount, int batch) throws IOException {
            this.batch = batch;
            publisher = broker.client("publisher");
            for (int i = 0; i < subscriberCount; i++) {
                RawClient subscriber = broker.client("subscriber" + i);
                subscriber.subscribe("tasks:room");
                subscribers.add(subscriber);
            }
            int handle = publisher.open("tasks:room").getHandle();
            frames = Unpooled.buffer();
            for (int i = 0; i < batch; i++) {
                PublishFrame.writeHead(frames, 0, handle, 0, 1, 0, 0, 0, 0, PAYLOAD_BYTES);
                frames.writeZero(PAYLOAD_BYTES);
            }
            frameBytes = frames.readableBytes() / batch;
        }

        void publish(int events) throws IOException {
            for (int published = 0; published < events; published += batch) {
                for (int i = 0; i < batch; i++) {
                    frames.setIntLE(i * frameBytes + FrameHeader.REQUEST_ID_AT, (int) sequence);
                    frames.setLongLE(i * frameBytes + FrameHeader.LENGTH, sequence);
                    sequence++;
                }
                publisher.socket().getOutputStream().write(frames.array(), 0, frames.readableBytes());
                for (RawClient subscriber : subscribers) {
                    receive(subscriber, FrameType.EVENT, batch);
                }
                awaitOutcomes();
            }
        }

        private void awaitOutcomes() throws IOException {
            int outcomes = 0;
            while (outcomes < batch) {
                receive(publisher, FrameType.PUBLISHED, 1);
                ByteBuf frame = Unpooled.wrappedBuffer(received);
                int body = FrameHeader.bodyAt(frame, 0);
                assertThat(frame.getUnsignedShortLE(body + 2)).as("refused").isZero();
                for (int range = 0; range < frame.getUnsignedShortLE(body); range++) {
                    outcomes += frame.getIntLE(body + 8 + range * 24 + 4);
                }
            }
        }

        /** Reads whole frames of a type; the last one is left in {@link #received}. */
        private void receive(RawClient client, FrameType type, int count) throws IOException {
            InputStream in = client.socket().getInputStream();
            for (int i = 0; i < count; i++) {
                readFully(in, 0, FrameHeader.LENGTH_FIELD_BYTES);
                int bytes = Unpooled.wrappedBuffer(received).getIntLE(0);
                readFully(in, FrameHeader.LENGTH_FIELD_BYTES, bytes);
                assertThat(FrameHeader.type(Unpooled.wrappedBuffer(received), 0))
                        .isEqualTo(type.code());
            }
        }

        private void readFully(InputStream in, int at, int bytes) throws IOException {
            if (in.readNBytes(received, at, bytes) < bytes) {
                throw new EOFException();
            }
        }
    }
}
