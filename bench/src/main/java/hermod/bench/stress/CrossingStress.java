package hermod.bench.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import hermod.bench.micro.BareBroker;
import hermod.bench.micro.Publications;
import hermod.broker.outbox.FrameSink;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Description;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** An event's whole way from one shard to another: the chunk's bytes, {@code ChunkTable}, the ring's record that names them and the wake-up. */
@JCStressTest
@Description(
        "An event is published on its topic's home while the subscriber's shard, which is another one, takes turns.")
@Outcome(
        id = "[01], 1",
        expect = ACCEPTABLE,
        desc = "The subscriber was sent the event whole, then or when it was woken.")
@Outcome(expect = FORBIDDEN, desc = "The event was lost, doubled or sent in pieces (9).")
@State
public class CrossingStress {
    private final Meeting meeting = new Meeting();
    private static final int HOME = 0;
    private static final int AWAY = 1;
    private static final int PAYLOAD_BYTES = 128;

    /** Two shards with a publisher on one and a subscriber on the other; made once and used for one event after the other. */
    private static final class Route implements FrameSink {
        static final ConcurrentLinkedQueue<Route> FREE = new ConcurrentLinkedQueue<>();

        final BareBroker broker = BareBroker.ofManyThreads(2);
        final BareBroker.Client publisher = broker.client(HOME, "publisher", new Answers());
        final Publications publications;
        long lastOffset;
        int seen;

        Route() {
            String topic = broker.topicAt(HOME);
            broker.client(AWAY, "subscriber", this).subscribe(topic);
            publications = new Publications(publisher.open(topic), 1, PAYLOAD_BYTES);
        }

        static Route take() {
            Route free = FREE.poll();
            return free == null ? new Route() : free;
        }

        @Override
        public void write(ByteBuf frames) {
            for (int at = frames.readerIndex(); at < frames.writerIndex(); at += FrameHeader.frameBytes(frames, at)) {
                if (FrameHeader.type(frames, at) == FrameType.EVENT.code()) {
                    boolean isNext = EventFrame.offset(frames, at) == ++lastOffset
                            && FrameHeader.frameBytes(frames, at) > EventFrame.FIXED_BYTES + PAYLOAD_BYTES;
                    seen += isNext && isPayloadWhole(frames, at) ? 1 : 9;
                }
            }
            frames.release();
        }

        /** The payload is the event's offset, written by the publisher as often as it fits. */
        private boolean isPayloadWhole(ByteBuf frames, int at) {
            int end = at + FrameHeader.frameBytes(frames, at);
            boolean isWhole = true;
            for (int i = end - PAYLOAD_BYTES; i < end; i += Long.BYTES) {
                isWhole &= frames.getLongLE(i) == lastOffset;
            }
            return isWhole;
        }

        @Override
        public boolean isWritable() {
            return true;
        }

        @Override
        public void flush() {}

        @Override
        public void close(ByteBuf last) {
            last.release();
        }

        @Override
        public void readEnabled(boolean enabled) {}
    }

    /** The publisher's socket: its answers matter to nobody. */
    private static final class Answers implements FrameSink {
        @Override
        public boolean isWritable() {
            return true;
        }

        @Override
        public void write(ByteBuf frames) {
            frames.release();
        }

        @Override
        public void flush() {}

        @Override
        public void close(ByteBuf last) {
            last.release();
        }

        @Override
        public void readEnabled(boolean enabled) {}
    }

    private final Route route = Route.take();
    private final ByteBuf frame = route.publications.next();

    public CrossingStress() {
        for (int at = frame.writerIndex() - PAYLOAD_BYTES; at < frame.writerIndex(); at += Long.BYTES) {
            frame.setLongLE(at, route.lastOffset + 1);
        }
    }

    @Actor
    public void home() {
        meeting.arrive();
        route.publisher.receiveAndRun(frame);
    }

    @Actor
    public void away(II_Result result) {
        meeting.arrive();
        route.broker.runTasks(AWAY);
        result.r1 = route.seen;
    }

    @Arbiter
    public void after(II_Result result) {
        route.broker.settle();
        result.r2 = route.seen;
        route.seen = 0;
        Route.FREE.add(route);
    }
}
