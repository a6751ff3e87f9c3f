package hermod.client;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import com.google.protobuf.MessageLite;
import com.google.protobuf.Parser;
import hermod.client.internal.WallClock;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Limits;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Opened;
import hermod.protocol.control.wire.ResumeResult;
import hermod.protocol.control.wire.Resumed;
import hermod.protocol.control.wire.Service;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Unsubscribe;
import hermod.protocol.control.wire.Unsubscribed;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameCutter;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * The broker's end of the protocol on a real loopback socket, played by the test: it says what comes next and what is answered. PINGs are answered by
 * themselves, on a clock of the test's choice.
 */
final class FakeBroker implements AutoCloseable {
    private static final long PATIENCE_S = 60;

    /** A frame from the client, with a copy of its bytes. */
    record Frame(FrameType type, int flags, int handle, int requestId, ByteBuf bytes) {
        <M extends MessageLite> M body(Parser<M> parser) {
            try {
                return ControlCodec.decode(parser, bytes, 0);
            } catch (ProtocolException broken) {
                throw new AssertionError(broken);
            }
        }
    }

    /** One event of a PUBLISH. */
    record Sent(
            int handle,
            int requestId,
            int flags,
            long sequence,
            long timestampUs,
            long ttlSeconds,
            int type,
            ByteBuf fields,
            String text) {}

    private final ServerSocket server;
    private final BlockingQueue<Peer> peers = new LinkedBlockingQueue<>();
    private final Queue<Peer> all = new ConcurrentLinkedQueue<>();
    private final AtomicInteger handles = new AtomicInteger(100);
    volatile long clockShiftUs;
    volatile boolean isDeaf;
    volatile Consumer<Limits.Builder> limits = ignored -> {};

    FakeBroker() throws IOException {
        server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        thread("accept", this::acceptAll);
    }

    String hostPort() {
        return "127.0.0.1:" + server.getLocalPort();
    }

    long nowUs() {
        return WallClock.SYSTEM.getAsLong() + clockShiftUs;
    }

    /** The next connection; fails where none comes. */
    Peer accept() throws InterruptedException {
        Peer peer = peers.poll(PATIENCE_S, TimeUnit.SECONDS);
        assertThat(peer).as("a connection").isNotNull();
        return peer;
    }

    /** Connections that came and were not asked for. */
    int unaccepted() {
        return peers.size();
    }

    @Override
    public void close() throws IOException {
        server.close();
        for (Peer peer : all) {
            peer.cut();
        }
    }

    private void acceptAll() {
        try {
            while (true) {
                Peer peer = new Peer(server.accept());
                all.add(peer);
                thread("peer", peer::readAll);
                peers.add(peer);
            }
        } catch (IOException closed) {
            // The test is over.
        }
    }

    private static void thread(String name, Runnable task) {
        Thread thread = new Thread(task, "fake-broker-" + name);
        thread.setDaemon(true);
        thread.start();
    }

    /** One connection, from the broker's side. */
    final class Peer {
        private final Socket socket;
        private final BlockingQueue<Frame> frames = new LinkedBlockingQueue<>();
        final AtomicInteger pings = new AtomicInteger();
        final AtomicInteger publishFrames = new AtomicInteger();

        /** Bytes granted so far. CREDIT frames are not among those that {@link #next} gives. */
        final AtomicLong credit = new AtomicLong();

        final AtomicInteger creditFrames = new AtomicInteger();

        private Peer(Socket socket) throws IOException {
            this.socket = socket;
            socket.setTcpNoDelay(true);
        }

        private void readAll() {
            FrameCutter cutter = new FrameCutter(
                    UnpooledByteBufAllocator.DEFAULT,
                    ProtocolLimits.PAYLOAD_BYTES_CEILING + ProtocolLimits.FRAME_OVERHEAD_BYTES);
            byte[] read = new byte[64 * 1024];
            try {
                for (int count = socket.getInputStream().read(read);
                        count >= 0;
                        count = socket.getInputStream().read(read)) {
                    cutter.cut(Unpooled.wrappedBuffer(read, 0, count), this::onFrame);
                }
            } catch (IOException | ProtocolException ended) {
                // What was awaited of it will be missed.
            } finally {
                cutter.close();
                frames.add(new Frame(FrameType.ERROR, 0, 0, 0, Unpooled.EMPTY_BUFFER));
            }
        }

        private boolean onFrame(ByteBuf in, int at, int frameBytes) {
            FrameType type = FrameType.ofCode(FrameHeader.type(in, at));
            if (type == FrameType.PING) {
                pings.incrementAndGet();
                if (!isDeaf) {
                    ByteBuf out = Unpooled.buffer();
                    ClockFrames.writePong(
                            out, FrameHeader.requestId(in, at), ClockFrames.pingSentUs(in, at), nowUs(), nowUs());
                    send(out);
                }
                return true;
            }
            if (type == FrameType.CREDIT) {
                assertThat(FrameHeader.bodyBytes(in, at)).isEqualTo(FlowFrames.ONE_NUMBER_BODY_BYTES);
                creditFrames.incrementAndGet();
                credit.addAndGet(FlowFrames.first(in, at));
                return true;
            }
            byte[] copy = new byte[frameBytes];
            in.getBytes(at, copy);
            frames.add(new Frame(
                    type,
                    FrameHeader.flags(in, at),
                    FrameHeader.handle(in, at),
                    FrameHeader.requestId(in, at),
                    Unpooled.wrappedBuffer(copy)));
            return true;
        }

        /** The next frame but PINGs; of no bytes where the connection has ended. */
        Frame next() throws InterruptedException {
            Frame frame = frames.poll(PATIENCE_S, TimeUnit.SECONDS);
            assertThat(frame).as("a frame").isNotNull();
            return frame;
        }

        /** The next frame, which must be of this type. */
        Frame expect(FrameType type) throws InterruptedException {
            Frame frame = frames.poll(PATIENCE_S, TimeUnit.SECONDS);
            assertThat(frame).as("a frame: " + type).isNotNull();
            assertThat(frame.type()).isEqualTo(type);
            return frame;
        }

        /** The socket is closed by the client before anything else comes. */
        void expectEnd() throws InterruptedException {
            assertThat(expect(FrameType.ERROR).bytes().readableBytes())
                    .as("end of the connection")
                    .isZero();
        }

        /** Takes HELLO and answers WELCOME; each topic in it gets a handle. */
        Hello welcome(Consumer<Welcome.Builder> more) throws InterruptedException {
            Hello hello = expect(FrameType.HELLO).body(Hello.parser());
            Limits.Builder told = Limits.newBuilder()
                    .setFrameBytes(ProtocolLimits.PAYLOAD_BYTES_DEFAULT + ProtocolLimits.FRAME_OVERHEAD_BYTES)
                    .setPayloadBytes(ProtocolLimits.PAYLOAD_BYTES_DEFAULT)
                    .setTopicsPerConnection(1_000);
            limits.accept(told);
            Welcome.Builder welcome = Welcome.newBuilder()
                    .setVersion(1)
                    .setConnectionId("c-" + handles.incrementAndGet())
                    .setUserId("ada")
                    .setOrg("acme")
                    .setServiceEnabled(true)
                    .setServerTimeUs(nowUs())
                    .setPingIntervalMs(15_000)
                    .setSilenceTimeoutMs(35_000)
                    .setLimits(told);
            hello.getSubscriptionsList().forEach(topic -> welcome.addSubscriptions(granted(topic, 7, 1)));
            more.accept(welcome);
            send(FrameType.WELCOME, 0, welcome.build());
            return hello;
        }

        /** The same, agreeing to these features, with a token to resume with. */
        Hello welcomeWith(Feature... features) throws InterruptedException {
            return welcome(welcome -> agree(welcome, features));
        }

        void agree(Welcome.Builder welcome, Feature... features) {
            for (Feature feature : features) {
                welcome.setFeatures(welcome.getFeatures() | feature.bit());
            }
            if (Feature.RESUME.isIn(welcome.getFeatures())) {
                welcome.setResumeToken(ByteString.copyFromUtf8("resume " + welcome.getConnectionId()));
            }
        }

        /** Answers a RESUME of one topic. */
        void resumed(Frame resume, ResumeResult... results) {
            send(
                    FrameType.RESUMED,
                    resume.requestId(),
                    Resumed.newBuilder().addAllResults(List.of(results)).build());
        }

        Hello welcome() throws InterruptedException {
            return welcome(ignored -> {});
        }

        TopicResult granted(String topic, int epoch, long nextOffset) {
            return TopicResult.newBuilder()
                    .setTopic(topic)
                    .setGranted(true)
                    .setHandle(handles.incrementAndGet())
                    .setEpoch(epoch)
                    .setNextOffset(nextOffset)
                    .build();
        }

        TopicResult refused(String topic, ErrorCode code) {
            return TopicResult.newBuilder()
                    .setTopic(topic)
                    .setCode(code.code())
                    .setMessage(code.meaning())
                    .build();
        }

        /** Takes a SUBSCRIBE of one topic and grants it. */
        int grantSubscribe(String topic, int epoch, long nextOffset) throws InterruptedException {
            Frame frame = expect(FrameType.SUBSCRIBE);
            assertThat(frame.body(Subscribe.parser()).getTopicsList()).containsExactly(topic);
            TopicResult result = granted(topic, epoch, nextOffset);
            subscribed(frame, result);
            return result.getHandle();
        }

        void subscribed(Frame subscribe, TopicResult... results) {
            send(
                    FrameType.SUBSCRIBED,
                    subscribe.requestId(),
                    Subscribed.newBuilder().addAllResults(List.of(results)).build());
        }

        /** Takes an OPEN of one topic and grants it. */
        int grantOpen(String topic) throws InterruptedException {
            Frame frame = expect(FrameType.OPEN);
            assertThat(frame.body(Open.parser()).getTopicsList()).containsExactly(topic);
            TopicResult result = granted(topic, 7, 1);
            opened(frame, result);
            return result.getHandle();
        }

        void opened(Frame open, TopicResult... results) {
            send(
                    FrameType.OPENED,
                    open.requestId(),
                    Opened.newBuilder().addAllResults(List.of(results)).build());
        }

        /** Takes an UNSUBSCRIBE of one handle and grants it. */
        void grantUnsubscribe(int handle) throws InterruptedException {
            Frame frame = expect(FrameType.UNSUBSCRIBE);
            assertThat(frame.body(Unsubscribe.parser()).getHandlesList()).containsExactly(handle);
            send(
                    FrameType.UNSUBSCRIBED,
                    frame.requestId(),
                    Unsubscribed.newBuilder().addHandles(handle).build());
        }

        /** Takes PUBLISH frames until so many events are there. */
        List<Sent> expectPublishes(int count) throws InterruptedException {
            List<Sent> sent = new ArrayList<>();
            while (sent.size() < count) {
                addEntries(expect(FrameType.PUBLISH), sent);
                publishFrames.incrementAndGet();
            }
            assertThat(sent).hasSize(count);
            return sent;
        }

        List<Sent> entriesOf(Frame publish) {
            List<Sent> sent = new ArrayList<>();
            addEntries(publish, sent);
            return sent;
        }

        private void addEntries(Frame frame, List<Sent> sent) {
            ByteBuf in = frame.bytes();
            try {
                PublishFrame.countEntries(in, 0);
            } catch (ProtocolException broken) {
                throw new AssertionError(broken);
            }
            int next = FrameHeader.bodyAt(in, 0) + PublishFrame.SEQUENCE_BYTES;
            for (int i = 0; next < in.writerIndex(); i++) {
                int entryBytes = in.writerIndex() - next;
                if (PublishFrame.isMany(in, 0)) {
                    entryBytes = in.getIntLE(next);
                    next += PublishFrame.ENTRY_LENGTH_BYTES;
                }
                int payloadAt = Entry.payloadAt(in, next);
                int fieldsAt = next + Entry.FIELDS_AT;
                assertThat(EventFields.publishedFaultOf(
                                in, fieldsAt, Entry.fieldsBytes(in, next), Entry.type(in, next)))
                        .isNull();
                sent.add(new Sent(
                        frame.handle(),
                        frame.requestId() + i,
                        frame.flags(),
                        PublishFrame.sequence(in, 0) + i,
                        Entry.timestampUs(in, next),
                        Entry.ttlSeconds(in, next),
                        Entry.type(in, next),
                        in.slice(fieldsAt, Entry.fieldsBytes(in, next)),
                        in.toString(payloadAt, next + entryBytes - payloadAt, StandardCharsets.UTF_8)));
                next += entryBytes;
            }
        }

        /** Accepts events with consecutive offsets. */
        void ack(List<Sent> sent, long firstOffset) {
            PublishedWriter outcomes = new PublishedWriter();
            for (int i = 0; i < sent.size(); i++) {
                outcomes.accepted(sent.get(i).requestId(), sent.get(i).handle(), firstOffset + i);
            }
            send(outcomes);
        }

        void send(PublishedWriter outcomes) {
            ByteBuf out = Unpooled.buffer();
            outcomes.writeTo(out);
            send(out);
        }

        void event(int handle, long offset, String text) {
            event(handle, offset, nowUs(), 0, text);
        }

        void event(int handle, long offset, long timestampUs, long ttlSeconds, String text) {
            ByteBuf fields = Unpooled.buffer();
            EventFields.write(fields, EventFields.TAG_SOURCE, "grace".getBytes(StandardCharsets.UTF_8));
            event(handle, offset, timestampUs, ttlSeconds, 0, fields, text.getBytes(StandardCharsets.UTF_8));
        }

        void event(
                int handle, long offset, long timestampUs, long ttlSeconds, int type, ByteBuf fields, byte[] payload) {
            send(eventFrame(Priority.NORMAL, handle, offset, timestampUs, ttlSeconds, type, fields, payload));
        }

        /** @return bytes of the frame. */
        int event(Priority priority, int handle, long offset, String text) {
            ByteBuf fields = Unpooled.buffer();
            EventFields.write(fields, EventFields.TAG_SOURCE, "grace".getBytes(StandardCharsets.UTF_8));
            byte[] payload = text.getBytes(StandardCharsets.UTF_8);
            ByteBuf frame = eventFrame(priority, handle, offset, nowUs(), 0, 0, fields, payload);
            int frameBytes = frame.readableBytes();
            send(frame);
            return frameBytes;
        }

        /** An EVENT as a page of history has it. */
        ByteBuf eventFrame(long offset, String text) {
            ByteBuf fields = Unpooled.buffer();
            EventFields.write(fields, EventFields.TAG_SOURCE, "grace".getBytes(StandardCharsets.UTF_8));
            return eventFrame(Priority.NORMAL, 0, offset, nowUs(), 0, 0, fields, text.getBytes(StandardCharsets.UTF_8));
        }

        private ByteBuf eventFrame(
                Priority priority,
                int handle,
                long offset,
                long timestampUs,
                long ttlSeconds,
                int type,
                ByteBuf fields,
                byte[] payload) {
            ByteBuf out = Unpooled.buffer();
            int bodyBytes = Long.BYTES + Entry.FIXED_BYTES + fields.readableBytes() + payload.length;
            FrameHeader.write(out, FrameType.EVENT, priority.code(), handle, 0, bodyBytes);
            out.writeLongLE(offset);
            Entry.writeFixed(out, timestampUs, ttlSeconds, type, fields.readableBytes());
            return out.writeBytes(fields).writeBytes(payload);
        }

        void gap(int handle, long from, long to, int reason, boolean isFillComing) {
            ByteBuf out = Unpooled.buffer();
            FlowFrames.writeGap(out, handle, from, to, reason, isFillComing);
            send(out);
        }

        void gapClosed(int handle, long from, long to) {
            ByteBuf out = Unpooled.buffer();
            FlowFrames.writeGapClosed(out, handle, from, to);
            send(out);
        }

        void progress(int handle, long offset) {
            ByteBuf out = Unpooled.buffer();
            FlowFrames.writeOneNumber(out, FrameType.PROGRESS, handle, offset);
            send(out);
        }

        void error(int requestId, ErrorCode code) {
            send(
                    FrameType.ERROR,
                    requestId,
                    hermod.protocol.control.wire.Error.newBuilder()
                            .setCode(code.code())
                            .setMessage(code.meaning())
                            .build());
        }

        void close(CloseCode code, int retryAfterMs) {
            send(
                    FrameType.CLOSE,
                    0,
                    Close.newBuilder()
                            .setCode(code.code())
                            .setMessage(code.meaning())
                            .setRetryAfterMs(retryAfterMs)
                            .build());
            cut();
        }

        void send(Service service) {
            send(ControlCodec.encode(
                    UnpooledByteBufAllocator.DEFAULT,
                    FrameType.SERVICE,
                    FrameHeader.FLAG_IGNORE_IF_UNKNOWN,
                    0,
                    service));
        }

        void send(FrameType type, int requestId, MessageLite message) {
            send(ControlCodec.encode(UnpooledByteBufAllocator.DEFAULT, type, requestId, message));
        }

        /** @param out given. */
        synchronized void send(ByteBuf out) {
            byte[] bytes = new byte[out.readableBytes()];
            out.readBytes(bytes);
            out.release();
            try {
                socket.getOutputStream().write(bytes);
            } catch (IOException gone) {
                // The test finds out by what does not come back.
            }
        }

        /** Ends the connection without a word. */
        void cut() {
            try {
                socket.close();
            } catch (IOException already) {
                // Closed is what was wanted.
            }
        }
    }
}
