package hermod.bench.scenario;

import hermod.bench.scenario.ChurnRule.All;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.FilteredTopic;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Platform;
import hermod.protocol.control.wire.RemovedTopic;
import hermod.protocol.control.wire.Replace;
import hermod.protocol.control.wire.Replaced;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameCutter;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.HdrHistogram.Histogram;

/**
 * One connection of {@code topics --churn}: it replaces its whole set of subscriptions and filters again and again, one request at a time, and writes down
 * what it is promised and what it gets. It speaks the protocol itself, so nothing of the SDK can hide a gap or drop a duplicate. One thread.
 */
final class ChurnReader implements AutoCloseable {
    private static final int FRAME_LIMIT_BYTES = 2 * 1024 * 1024;
    private static final int READ_BYTES = 256 * 1024;
    private static final int REQUEST_FIRST = 100;
    private static final long ASKED = Feature.GAP.bit() | Feature.CREDIT.bit() | Feature.FILTER.bit();

    private final int index;
    private final List<String> topics;
    private final SplittableRandom random;
    private final SocketChannel channel;
    private final List<ChurnLog> logs = new ArrayList<>();
    private final Map<Integer, ChurnLog> byHandle = new HashMap<>();
    private final FrameCutter cutter = new FrameCutter(UnpooledByteBufAllocator.DEFAULT, FRAME_LIMIT_BYTES);
    private final ByteBuffer in = ByteBuffer.allocateDirect(READ_BYTES);
    private final ByteBuf out = Unpooled.buffer();
    private final Histogram tookNs;
    private final List<String> faults;

    private boolean isWelcome;
    private boolean isEnded;
    private boolean isAsked;
    private boolean isKeepingOthers;
    private int asked;
    private int answered;
    private long askedAtNs;
    private long gaps;
    private long progressCount;
    private List<Integer> wanted = List.of();
    private Map<Integer, ChurnRule> rules = Map.of();

    /**
     * @param tookNs gets the time from each REPLACE to its REPLACED.
     * @param faults gets what breaks the protocol's word, in sentences.
     */
    ChurnReader(
            int index,
            InetSocketAddress broker,
            String token,
            String device,
            List<String> topics,
            long seed,
            Histogram tookNs,
            List<String> faults)
            throws IOException {
        this.index = index;
        this.topics = topics;
        this.random = new SplittableRandom(seed * 31 + index);
        this.tookNs = tookNs;
        this.faults = faults;
        for (String topic : topics) {
            logs.add(new ChurnLog("reader " + index + ", " + topic));
        }
        channel = SocketChannel.open(broker);
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
        channel.configureBlocking(false);
        send(
                FrameType.HELLO,
                1,
                Hello.newBuilder()
                        .setMinVersion(1)
                        .setMaxVersion(1)
                        .setFeatures(ASKED)
                        .setToken(token)
                        .setDeviceId(device)
                        .setPlatform(Platform.PLATFORM_CLI)
                        .setClientVersion("bench-churn")
                        .build());
    }

    SocketChannel channel() {
        return channel;
    }

    List<ChurnLog> logs() {
        return logs;
    }

    boolean isWelcome() {
        return isWelcome;
    }

    /** Whether the connection is gone, which it never should be. */
    boolean isEnded() {
        return isEnded;
    }

    /** Whether a REPLACE has no answer yet. */
    boolean isWaiting() {
        return isAsked;
    }

    int answered() {
        return answered;
    }

    long gaps() {
        return gaps;
    }

    long progressCount() {
        return progressCount;
    }

    /** Asks for a set drawn anew: mostly the whole set, sometimes some topics beside those it has. */
    void replace() {
        boolean keepOthers = random.nextInt(4) == 0;
        List<Integer> chosen = new ArrayList<>();
        Map<Integer, ChurnRule> chosenRules = new HashMap<>();
        int share = keepOthers ? 8 : 2;
        for (int i = 0; i < topics.size(); i++) {
            if (random.nextInt(share) == 0) {
                chosen.add(i);
                ChurnRule now = logs.get(i).rule();
                // Some stay as they are, so that a replacement is also one that changes nothing for a topic.
                chosenRules.put(i, now != null && random.nextInt(3) == 0 ? now : ChurnRule.draw(random));
            }
        }
        ask(chosen, chosenRules, keepOthers);
    }

    /** Asks for every topic without a filter. */
    void replaceByAll() {
        List<Integer> all = new ArrayList<>();
        Map<Integer, ChurnRule> none = new HashMap<>();
        for (int i = 0; i < topics.size(); i++) {
            all.add(i);
            none.put(i, new All());
        }
        ask(all, none, false);
    }

    private void ask(List<Integer> chosen, Map<Integer, ChurnRule> chosenRules, boolean keepOthers) {
        Replace.Builder request = Replace.newBuilder().setKeepOthers(keepOthers);
        List<Integer> plain = new ArrayList<>();
        List<Integer> filtered = new ArrayList<>();
        for (int i : chosen) {
            ChurnRule rule = chosenRules.getOrDefault(i, new All());
            if (rule instanceof All) {
                plain.add(i);
                request.addTopics(topics.get(i));
            } else {
                filtered.add(i);
                request.addFiltered(
                        FilteredTopic.newBuilder().setTopic(topics.get(i)).setFilter(rule.toMessage()));
            }
        }
        plain.addAll(filtered); // the order of the answers
        wanted = plain;
        rules = chosenRules;
        isKeepingOthers = keepOthers;
        isAsked = true;
        askedAtNs = System.nanoTime();
        send(FrameType.REPLACE, REQUEST_FIRST + asked++, request.build());
    }

    private void send(FrameType type, int requestId, com.google.protobuf.MessageLite message) {
        ByteBuf frame = ControlCodec.encode(UnpooledByteBufAllocator.DEFAULT, type, requestId, message);
        out.writeBytes(frame);
        frame.release();
        flush();
    }

    private void flush() {
        try {
            while (out.isReadable() && out.readBytes(channel, out.readableBytes()) > 0) {
                // Until the socket takes no more; the next turn goes on.
            }
            out.discardSomeReadBytes();
        } catch (IOException gone) {
            end("its connection broke: " + gone.getMessage());
        }
    }

    /** Writes what is waiting and reads what has come. */
    void turn() {
        if (isEnded) {
            return;
        }
        flush();
        try {
            for (int count = channel.read(in.clear()); count != 0; count = channel.read(in.clear())) {
                if (count < 0) {
                    end("its connection was closed");
                    return;
                }
                cutter.cut(Unpooled.wrappedBuffer(in.flip()), this::onFrame);
                if (isEnded) {
                    return;
                }
            }
        } catch (IOException | ProtocolException broken) {
            end("its connection broke: " + broken.getMessage());
        }
    }

    private void end(String why) {
        if (!isEnded) {
            isEnded = true;
            faults.add("reader " + index + ": " + why);
        }
    }

    private boolean onFrame(ByteBuf frame, int at, int frameBytes) throws ProtocolException {
        FrameType type = FrameType.ofCode(FrameHeader.type(frame, at));
        if (type == null) {
            return true;
        }
        switch (type) {
            case EVENT -> event(FrameHeader.handle(frame, at), EventFrame.offset(frame, at));
            case REPLACED ->
                replaced(FrameHeader.requestId(frame, at), ControlCodec.decode(Replaced.parser(), frame, at));
            case PROGRESS -> progressCount++;
            case GAP -> gap(FrameHeader.handle(frame, at), FlowFrames.first(frame, at), FlowFrames.last(frame, at));
            case WELCOME -> welcome(ControlCodec.decode(Welcome.parser(), frame, at));
            case PING -> {
                long sentUs = ClockFrames.pingSentUs(frame, at);
                ClockFrames.writePong(out, FrameHeader.requestId(frame, at), sentUs, sentUs, sentUs);
            }
            case ERROR -> {
                var error = ControlCodec.decode(hermod.protocol.control.wire.Error.parser(), frame, at);
                faults.add("reader " + index + ": ERROR " + error.getCode() + " " + error.getMessage());
                isAsked = false;
            }
            case CLOSE -> {
                Close close = ControlCodec.decode(Close.parser(), frame, at);
                end("CLOSE " + close.getCode() + " " + close.getMessage());
            }
            default -> {
                // Nothing that is counted here.
            }
        }
        return true;
    }

    private void welcome(Welcome welcome) {
        if (!Feature.FILTER.isIn(welcome.getFeatures())) {
            end("the broker does not agree to the feature FILTER");
            return;
        }
        isWelcome = true;
        if (Feature.CREDIT.isIn(welcome.getFeatures())) {
            FlowFrames.writeOneNumber(out, FrameType.CREDIT, 0, 1L << 60);
            flush();
        }
    }

    private void event(int handle, long offset) {
        ChurnLog log = byHandle.get(handle);
        if (log == null) {
            faults.add("reader " + index + ": an event of the handle " + handle + ", which it does not hold");
            return;
        }
        log.event(offset);
    }

    private void gap(int handle, long from, long to) {
        gaps++;
        ChurnLog log = byHandle.get(handle);
        if (log != null) {
            log.gap(from, to);
        }
    }

    private void replaced(int requestId, Replaced answer) {
        if (!isAsked || requestId != REQUEST_FIRST + asked - 1 || answer.getResultsCount() != wanted.size()) {
            faults.add("reader " + index + ": REPLACED that answers no request, or not each topic of it");
            return;
        }
        tookNs.recordValue(Math.min(System.nanoTime() - askedAtNs, tookNs.getHighestTrackableValue()));
        Set<ChurnLog> gone = new HashSet<>();
        if (!isKeepingOthers) {
            logs.stream().filter(ChurnLog::isSubscribed).forEach(gone::add);
        }
        for (int i = 0; i < wanted.size(); i++) {
            TopicResult result = answer.getResults(i);
            ChurnLog log = logs.get(wanted.get(i));
            if (!result.getGranted() || !result.getTopic().equals(topics.get(wanted.get(i)))) {
                faults.add(
                        "reader " + index + ": " + topics.get(wanted.get(i)) + " was not granted, " + result.getCode());
                continue;
            }
            if (log.lastOffset() >= result.getNextOffset()) {
                faults.add("reader " + index + ": " + result.getTopic() + " had come up to " + log.lastOffset()
                        + " before the switch at " + result.getNextOffset());
            }
            gone.remove(log);
            byHandle.remove(log.handle(), log);
            byHandle.put(result.getHandle(), log);
            log.switched(result.getHandle(), result.getNextOffset(), rules.getOrDefault(wanted.get(i), new All()));
        }
        for (RemovedTopic removed : answer.getRemovedList()) {
            ChurnLog log = byHandle.remove(removed.getHandle());
            if (log == null || !gone.remove(log)) {
                faults.add(
                        "reader " + index + ": the handle " + removed.getHandle() + " was removed and should not be");
                continue;
            }
            log.end(removed.getEndOffset());
        }
        if (!gone.isEmpty()) {
            faults.add("reader " + index + ": " + gone.size() + " topics that were not named were not removed");
        }
        isAsked = false;
        answered++;
    }

    @Override
    public void close() {
        cutter.close();
        out.release();
        try {
            channel.close();
        } catch (IOException gone) {
            // It is gone either way.
        }
    }
}
