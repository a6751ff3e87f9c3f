package hermod.bench.crash;

import com.google.protobuf.ByteString;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Cursor;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Platform;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.ResumeResult;
import hermod.protocol.control.wire.Resumed;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A follower on a plain socket that does what sections 5 and 10.2 of PROTOCOL.md ask: it keeps a cursor for each topic and comes back with RESUME. It believes the broker,
 * and drops nothing: what comes on the wire is in its log.
 *
 * <p>A thread of its own connects and reads.
 */
final class RawFollower implements Follower, RawLink.Frames {
    /** From where it follows. */
    enum Manner {
        /** From when it subscribed. */
        LIVE,
        /** Reads slowly, and goes back to an old cursor again and again: most of the time it is in the middle of a replay. */
        LATE,
        /** From the first offset of every topic. */
        FROM_THE_START
    }

    private static final int REQUEST_ID = 1;
    private static final int READ_BYTES = 64 * 1024;
    private static final int LATE_READ_BYTES = 4 * 1024;
    private static final int LATE_PAUSE_MS = 2;
    private static final int LATE_MS_MIN = 300;
    private static final int LATE_MS_MAX = 3_000;
    private static final int PAUSE_MS = 30;

    private final RunPlan plan;
    private final Manner manner;
    private final SplittableRandom random;
    private final ClientLog log;
    private final String device;
    private final Thread thread;
    private final ConcurrentLinkedQueue<String> troubles = new ConcurrentLinkedQueue<>();
    private volatile boolean isClosed;
    private volatile boolean goesBack = true;
    private volatile boolean isFollowing;
    private volatile long heardNs = System.nanoTime();
    private volatile String trouble = "";

    // The thread's own.
    private final int[] epochs;
    private final Map<Integer, Integer> topicsByHandle = new HashMap<>();
    private ByteString resumeToken = ByteString.EMPTY;
    private @Nullable RawLink link;
    private boolean isKnown;
    private boolean isAnswered;
    private boolean startsOver;

    // Guarded by this.
    private final long[] cursors;
    private final long[] highest;
    private final long[] targets;

    RawFollower(RunPlan plan, String name, Manner manner, long seed) {
        this.plan = plan;
        this.manner = manner;
        device = name;
        random = new SplittableRandom(seed);
        log = plan.log(name, false);
        int topics = plan.topics().size();
        epochs = new int[topics];
        cursors = new long[topics];
        highest = new long[topics];
        targets = new long[topics];
        thread = new Thread(this::run, name);
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public boolean isFollowing() {
        return isFollowing;
    }

    @Override
    public synchronized long cursor(int topic) {
        return cursors[topic];
    }

    /** Whether it has read to where the topics stood when it began; of one that reads from the start. */
    synchronized boolean isAtTarget() {
        if (!isFollowing) {
            return false;
        }
        for (int topic = 0; topic < cursors.length; topic++) {
            if (cursors[topic] < targets[topic]) {
                return false;
            }
        }
        return true;
    }

    /** How long nothing has come. */
    long quietNs() {
        return System.nanoTime() - heardNs;
    }

    /** Why the last connection ended otherwise than by the broker's end; empty for no reason. */
    String trouble() {
        return trouble;
    }

    /** A late one stays where it is from now on, and catches up. */
    void catchUp() {
        goesBack = false;
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
            try (RawLink opened = new RawLink(plan.port(), manner == Manner.LATE ? LATE_READ_BYTES : READ_BYTES)) {
                link = opened;
                topicsByHandle.clear();
                isAnswered = false;
                greet(opened);
                follow(opened);
            } catch (RawLink.BrokenProtocol broken) {
                troubles.add(device + ": " + broken.getMessage());
            } catch (IOException gone) {
                trouble = String.valueOf(gone.getMessage());
            } finally {
                link = null;
            }
            pause(PAUSE_MS);
        }
    }

    private void follow(RawLink from) throws IOException {
        long untilNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(random.nextInt(LATE_MS_MIN, LATE_MS_MAX));
        while (!isClosed && !startsOver) {
            from.read(this);
            if (manner == Manner.LATE && goesBack) {
                pause(LATE_PAUSE_MS);
                if (isAnswered && System.nanoTime() - untilNs > 0) {
                    startsOver = true;
                }
            }
        }
        if (startsOver) {
            startsOver = false;
            goBack();
        }
    }

    private void greet(RawLink to) throws IOException {
        Hello hello = Hello.newBuilder()
                .setMinVersion(1)
                .setMaxVersion(1)
                .setFeatures(Feature.RESUME.bit() | Feature.GAP.bit())
                .setToken(plan.token())
                .setDeviceId(device)
                .setPlatform(Platform.PLATFORM_CLI)
                .setClientVersion("bench")
                .build();
        to.send(FrameType.HELLO, 0, hello);
        if (!isKnown) {
            to.send(
                    FrameType.SUBSCRIBE,
                    REQUEST_ID,
                    Subscribe.newBuilder().addAllTopics(plan.topics()).build());
            return;
        }
        Resume.Builder resume = Resume.newBuilder().setResumeToken(resumeToken);
        for (int topic = 0; topic < epochs.length; topic++) {
            resume.addCursors(Cursor.newBuilder()
                    .setTopic(plan.topics().get(topic))
                    .setEpoch(epochs[topic])
                    .setOffset(cursor(topic)));
        }
        to.send(FrameType.RESUME, REQUEST_ID, resume.build());
    }

    @Override
    public void onFrame(ByteBuf in, int at) throws IOException, ProtocolException {
        heardNs = System.nanoTime();
        int type = FrameHeader.type(in, at);
        if (type == FrameType.EVENT.code()) {
            onEvent(in, at);
        } else if (type == FrameType.GAP.code()) {
            onGap(in, at);
        } else if (type == FrameType.PROGRESS.code()) {
            move(topicOf(in, at), FlowFrames.first(in, at));
        } else if (type == FrameType.WELCOME.code()) {
            Welcome welcome = ControlCodec.decode(Welcome.parser(), in, at);
            if (!Feature.RESUME.isIn(welcome.getFeatures()) || !Feature.GAP.isIn(welcome.getFeatures())) {
                throw new IOException("the broker has no RESUME or no GAP");
            }
            resumeToken = welcome.getResumeToken();
        } else if (type == FrameType.SUBSCRIBED.code()) {
            onSubscribed(ControlCodec.decode(Subscribed.parser(), in, at).getResultsList());
        } else if (type == FrameType.RESUMED.code()) {
            onResumed(ControlCodec.decode(Resumed.parser(), in, at).getResultsList());
        } else if (type == FrameType.PING.code() && link != null) {
            link.pong(in, at);
        } else if (type == FrameType.CLOSE.code() || type == FrameType.ERROR.code()) {
            throw new IOException("the broker answered " + FrameType.ofCode(type));
        }
    }

    private void onEvent(ByteBuf in, int at) throws ProtocolException, IOException {
        EventFrame.check(in, at);
        int topic = topicOf(in, at);
        long offset = EventFrame.offset(in, at);
        int payloadAt = Entry.payloadAt(in, EventFrame.entryAt(in, at));
        int payloadBytes = at + FrameHeader.frameBytes(in, at) - payloadAt;
        long key = CrashPayload.keyOf(plan.runId(), in.nioBuffer(payloadAt, payloadBytes));
        log.event(topic, key, offset, epochs[topic]);
        move(topic, offset);
    }

    private void onGap(ByteBuf in, int at) throws IOException {
        if (!FlowFrames.isFillComing(in, at)) {
            int topic = topicOf(in, at);
            log.missed(topic, FlowFrames.first(in, at), FlowFrames.last(in, at), epochs[topic]);
            move(topic, FlowFrames.last(in, at));
        }
    }

    private void onSubscribed(List<TopicResult> results) throws IOException {
        for (TopicResult result : results) {
            int topic = granted(result);
            epochs[topic] = result.getEpoch();
            synchronized (this) {
                cursors[topic] = result.getNextOffset() - 1;
                highest[topic] = cursors[topic];
                targets[topic] = cursors[topic];
            }
            if (manner != Manner.FROM_THE_START) {
                log.follows(topic, result.getNextOffset() - 1, result.getEpoch());
            }
        }
        isKnown = true;
        isAnswered = true;
        if (manner == Manner.FROM_THE_START) {
            startsOver = true;
        } else {
            isFollowing = true;
        }
    }

    private void onResumed(List<ResumeResult> results) throws IOException {
        for (ResumeResult result : results) {
            int topic = granted(result.getTopic());
            if (result.getOutcome() == ResumeResult.Outcome.OUTCOME_LOST) {
                onLost(topic, result);
            }
        }
        isAnswered = true;
        isFollowing = true;
    }

    /** What is left from the answer's first offset on is a new beginning, which may repeat what was read before. */
    private void onLost(int topic, ResumeResult result) {
        long cursor = cursor(topic);
        long above = Math.max(1, result.getFromOffset()) - 1;
        log.left(topic, cursor, epochs[topic]);
        boolean isSameEpoch = result.getTopic().getEpoch() == epochs[topic];
        epochs[topic] = result.getTopic().getEpoch();
        if (isSameEpoch && above > cursor) {
            log.follows(topic, cursor, epochs[topic]);
            log.missed(topic, cursor + 1, above, epochs[topic]);
        } else {
            log.follows(topic, above, epochs[topic]);
        }
        synchronized (this) {
            cursors[topic] = above;
            targets[topic] = isSameEpoch ? targets[topic] : result.getToOffset();
        }
    }

    private int granted(TopicResult result) throws IOException {
        if (!result.getGranted()) {
            throw new IOException(result.getTopic() + " is refused: " + ErrorCode.nameOf(result.getCode()));
        }
        int topic = plan.topicOf(result.getTopic());
        topicsByHandle.put(result.getHandle(), topic);
        return topic;
    }

    private int topicOf(ByteBuf in, int at) throws IOException {
        Integer topic = topicsByHandle.get(FrameHeader.handle(in, at));
        if (topic == null) {
            throw new IOException("an event of a handle that was never given");
        }
        return topic;
    }

    private synchronized void move(int topic, long offset) {
        cursors[topic] = Math.max(cursors[topic], offset);
        highest[topic] = Math.max(highest[topic], offset);
    }

    /** Leaves all topics, and follows them from an earlier place with the next connection. */
    private synchronized void goBack() {
        for (int topic = 0; topic < cursors.length; topic++) {
            if (manner == Manner.LATE) {
                log.left(topic, cursors[topic], epochs[topic]);
            }
            cursors[topic] = manner == Manner.LATE ? random.nextLong(highest[topic] + 1) : 0;
            log.follows(topic, cursors[topic], epochs[topic]);
        }
    }

    private void pause(int ms) {
        try {
            Thread.sleep(ms);
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
