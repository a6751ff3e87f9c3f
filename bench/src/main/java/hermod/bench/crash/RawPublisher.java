package hermod.bench.crash;

import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Opened;
import hermod.protocol.control.wire.Platform;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/**
 * A publisher on a plain socket that does what section 6.3 of PROTOCOL.md asks: after a reconnect it sends again, in order and with the same sequences, what has no outcome.
 *
 * <p>A thread of its own connects and reads; another publishes.
 */
final class RawPublisher implements LoadPublisher, RawLink.Frames {
    private static final int OPEN_ID = 1;

    /** Of all topics together, so that no topic's sequences lie further apart than the broker remembers. */
    private static final int UNANSWERED_MAX = 400;

    private static final int READ_BYTES = 64 * 1024;
    private static final int PAUSE_MS = 30;

    private static final class Pending {
        final int topic;
        final int number;
        final byte[] payload;
        boolean isSentAgain;

        Pending(int topic, int number, byte[] payload) {
            this.topic = topic;
            this.number = number;
            this.payload = payload;
        }
    }

    private final RunPlan plan;
    private final int publisher;
    private final ClientLog log;
    private final String device;
    private final Thread thread;
    private final PublishedFrame outcomes = new PublishedFrame();
    private final ConcurrentLinkedQueue<String> troubles = new ConcurrentLinkedQueue<>();
    private volatile boolean isClosed;

    // Guarded by this.
    private Map<Integer, Pending> unanswered = new LinkedHashMap<>();
    private final int[] lastNumbers;
    private final int[] handles;
    private final int[] epochs;
    private int nextRequestId;
    private @Nullable RawLink link;
    private boolean isOpen;

    RawPublisher(RunPlan plan, int publisher) {
        this.plan = plan;
        this.publisher = publisher;
        device = "raw-publisher-" + publisher;
        log = plan.log(device, false);
        lastNumbers = new int[plan.topics().size()];
        handles = new int[plan.topics().size()];
        epochs = new int[plan.topics().size()];
        thread = new Thread(this::run, device);
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public synchronized boolean publish(int topic, int count, int payloadBytes) {
        if (unanswered.size() + count > UNANSWERED_MAX) {
            return false;
        }
        List<Pending> events = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int number = ++lastNumbers[topic];
            long key = ClientLog.key(publisher, number * plan.topics().size() + topic);
            log.published(topic, key);
            events.add(new Pending(topic, number, CrashPayload.of(plan.runId(), key, payloadBytes)));
        }
        send(events);
        return true;
    }

    /** Events of one topic, with numbers that follow on each other. */
    private void send(List<Pending> events) {
        int firstId = nextRequestId;
        for (Pending event : events) {
            unanswered.put(nextRequestId++, event);
        }
        RawLink to = link;
        if (!isOpen || to == null) {
            return; // sent when there is a connection
        }
        Pending first = events.get(0);
        int bodyBytes = PublishFrame.SEQUENCE_BYTES;
        for (Pending event : events) {
            bodyBytes += PublishFrame.ENTRY_LENGTH_BYTES + Entry.FIXED_BYTES + event.payload.length;
        }
        ByteBuf out = Unpooled.buffer();
        FrameHeader.write(out, FrameType.PUBLISH, FrameHeader.FLAG_MANY, handles[first.topic], firstId, bodyBytes);
        out.writeLongLE(first.number);
        for (Pending event : events) {
            out.writeIntLE(Entry.FIXED_BYTES + event.payload.length);
            Entry.writeFixed(out, 0, 0, 0, 0);
            out.writeBytes(event.payload);
        }
        try {
            to.send(out);
        } catch (IOException gone) {
            isOpen = false;
            to.close();
        }
    }

    @Override
    public synchronized int unanswered() {
        return unanswered.size();
    }

    @Override
    public List<String> troubles() {
        return List.copyOf(troubles);
    }

    @Override
    public ClientLog log() {
        return log;
    }

    private void run() {
        while (!isClosed) {
            try (RawLink opened = new RawLink(plan.port(), READ_BYTES)) {
                synchronized (this) {
                    link = opened;
                }
                greet(opened);
                while (!isClosed) {
                    opened.read(this);
                }
            } catch (RawLink.BrokenProtocol broken) {
                troubles.add(device + ": " + broken.getMessage());
            } catch (IOException gone) {
                // The broker is down, or this connection is: another one.
            } finally {
                synchronized (this) {
                    link = null;
                    isOpen = false;
                }
            }
            pause();
        }
    }

    private void greet(RawLink to) throws IOException {
        Hello hello = Hello.newBuilder()
                .setMinVersion(1)
                .setMaxVersion(1)
                .setToken(plan.token())
                .setDeviceId(device)
                .setPlatform(Platform.PLATFORM_CLI)
                .setClientVersion("bench")
                .setProducerEpoch(plan.runId() | 1L << Integer.SIZE)
                .build();
        to.send(FrameType.HELLO, 0, hello);
        to.send(
                FrameType.OPEN,
                OPEN_ID,
                Open.newBuilder().addAllTopics(plan.topics()).build());
    }

    @Override
    public void onFrame(ByteBuf in, int at) throws IOException, ProtocolException {
        int type = FrameHeader.type(in, at);
        if (type == FrameType.PUBLISHED.code()) {
            onPublished(outcomes.wrap(in, at));
        } else if (type == FrameType.OPENED.code()) {
            onOpened(ControlCodec.decode(Opened.parser(), in, at).getResultsList());
        } else if (type == FrameType.PING.code()) {
            pong(in, at);
        } else if (type == FrameType.CLOSE.code()) {
            throw new IOException("closed by the broker");
        }
    }

    private void pong(ByteBuf in, int at) throws IOException {
        RawLink to;
        synchronized (this) {
            to = link;
        }
        if (to != null) {
            to.pong(in, at);
        }
    }

    private synchronized void onOpened(List<TopicResult> results) throws IOException {
        for (TopicResult result : results) {
            if (!result.getGranted()) {
                throw new IOException(
                        result.getTopic() + " is refused: " + ErrorCode.nameOf(result.getCode())); // tried again
            }
            int topic = plan.topicOf(result.getTopic());
            handles[topic] = result.getHandle();
            epochs[topic] = result.getEpoch();
        }
        isOpen = true;
        Map<Integer, Pending> again = unanswered;
        unanswered = new LinkedHashMap<>();
        for (Pending event : again.values()) {
            event.isSentAgain = true;
            send(List.of(event));
        }
    }

    private synchronized void onPublished(PublishedFrame frame) throws ProtocolException {
        for (int i = 0; i < frame.rangeCount(); i++) {
            for (int j = 0; j < frame.rangeLength(i); j++) {
                accepted(frame.rangeFirstRequestId(i) + j, frame.rangeFirstOffset(i) + j);
            }
        }
        for (int i = 0; i < frame.exceptionCount(); i++) {
            int id = frame.exceptionRequestId(i);
            if (frame.exceptionKind(i) == PublishedFrame.KIND_DUPLICATE) {
                accepted(id, frame.exceptionOffset(i));
            } else if (frame.exceptionKind(i) == PublishedFrame.KIND_REFUSED) {
                Pending event = taken(id);
                int code = frame.exceptionCode(i);
                if (isSurelyNotStored(code) && !event.isSentAgain) {
                    log.refused(event.topic, keyOf(event), code);
                } else {
                    log.unknown(event.topic, keyOf(event), code);
                }
            }
        }
    }

    /** Whether an event that was refused with this code, at its only attempt, is in no log. */
    static boolean isSurelyNotStored(int code) {
        return !ErrorCode.isRetryable(code) && code != ErrorCode.SEQUENCE_TOO_OLD.code();
    }

    private void accepted(int id, long offset) throws ProtocolException {
        Pending event = taken(id);
        log.accepted(event.topic, keyOf(event), offset, epochs[event.topic]);
    }

    private Pending taken(int id) throws ProtocolException {
        Pending event = unanswered.remove(id);
        if (event == null) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "an outcome of request " + id + ", which has none due");
        }
        return event;
    }

    private long keyOf(Pending event) {
        return ClientLog.key(publisher, event.number * plan.topics().size() + event.topic);
    }

    private void pause() {
        try {
            Thread.sleep(PAUSE_MS);
        } catch (InterruptedException stop) {
            isClosed = true;
        }
    }

    @Override
    public void close() {
        isClosed = true;
        thread.interrupt();
    }
}
