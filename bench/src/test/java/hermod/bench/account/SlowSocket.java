package hermod.bench.account;

import com.google.protobuf.InvalidProtocolBufferException;
import hermod.bench.account.Note.Kind;
import hermod.broker.outbox.FrameSink;
import hermod.protocol.ErrorCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.RemovedTopic;
import hermod.protocol.control.wire.Replaced;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Unsubscribed;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;

/** A subscriber's socket whose reader a script lets read: it takes so many bytes and no more, and writes down what it was given. One thread. */
final class SlowSocket implements FrameSink {
    /** Written and not taken by the kernel, above which a socket says that it is not writable. */
    private static final int BURST_BYTES = 4_096;

    private final LongSupplier nowUs;
    private final List<Note> notes = new ArrayList<>();
    private final Map<String, Integer> handles = new HashMap<>();
    private final Map<Integer, Map<String, Integer>> wishes = new HashMap<>();
    private int lastRequestId;
    private long roomBytes;
    private long pendingBytes;
    private boolean isOpenWide;
    private long features;

    SlowSocket(LongSupplier nowUs) {
        this.nowUs = nowUs;
    }

    List<Note> notes() {
        return notes;
    }

    /** Of the topics it was granted. */
    Map<String, Integer> handles() {
        return handles;
    }

    /** The bits that WELCOME named. */
    long features() {
        return features;
    }

    /**
     * A request is about to be sent.
     *
     * @param filters of the topics it names, by name; -1 for none.
     * @return its id.
     */
    int asks(Map<String, Integer> filters) {
        wishes.put(++lastRequestId, filters);
        return lastRequestId;
    }

    /** Requests without an answer. */
    int askedCount() {
        return wishes.size();
    }

    void note(Note note) {
        notes.add(note.at(nowUs.getAsLong()));
    }

    /** The reader reads. @return whether the socket has become writable by it. */
    boolean read(long bytes) {
        boolean wasWritable = isWritable();
        roomBytes += bytes;
        drain();
        return !wasWritable && isWritable();
    }

    /** From now on everything is read at once. */
    boolean openWide() {
        boolean wasWritable = isWritable();
        isOpenWide = true;
        drain();
        return !wasWritable;
    }

    private void drain() {
        long taken = isOpenWide ? pendingBytes : Math.min(roomBytes, pendingBytes);
        pendingBytes -= taken;
        roomBytes -= Math.min(taken, roomBytes);
    }

    @Override
    public boolean isWritable() {
        return pendingBytes < BURST_BYTES;
    }

    @Override
    public void write(ByteBuf frames) {
        pendingBytes += frames.readableBytes();
        try {
            parse(frames);
        } finally {
            frames.release();
        }
    }

    @Override
    public void flush() {
        drain();
    }

    @Override
    public void close(ByteBuf last) {
        write(last);
    }

    @Override
    public void readEnabled(boolean enabled) {}

    private void parse(ByteBuf in) {
        int at = in.readerIndex();
        while (at < in.writerIndex()) {
            try {
                parse(in, at);
            } catch (ProtocolException | InvalidProtocolBufferException bad) {
                throw new AssertionError("a frame that does not add up", bad);
            }
            at += FrameHeader.frameBytes(in, at);
        }
        if (at != in.writerIndex()) {
            throw new AssertionError("half a frame was written");
        }
    }

    private void parse(ByteBuf in, int at) throws ProtocolException, InvalidProtocolBufferException {
        FrameType type = FrameType.ofCode(FrameHeader.type(in, at));
        int handle = FrameHeader.handle(in, at);
        switch (type == null ? FrameType.PONG : type) {
            case WELCOME ->
                features = ControlCodec.decode(Welcome.parser(), in, at).getFeatures();
            case EVENT -> {
                EventFrame.check(in, at);
                note(Note.event(
                        handle,
                        EventFrame.offset(in, at),
                        number(in, at),
                        FrameHeader.priority(in, at),
                        FrameHeader.frameBytes(in, at),
                        0));
            }
            case GAP -> note(Note.of(Kind.GAP, handle, FlowFrames.first(in, at), FlowFrames.last(in, at)));
            case GAP_CLOSED ->
                note(Note.of(Kind.GAP_CLOSED, handle, FlowFrames.first(in, at), FlowFrames.last(in, at)));
            case PROGRESS -> note(Note.of(Kind.PROGRESS, handle, FlowFrames.first(in, at), 0));
            case SUBSCRIBED -> {
                Map<String, Integer> asked = answered(in, at);
                for (TopicResult result :
                        ControlCodec.decode(Subscribed.parser(), in, at).getResultsList()) {
                    if (!result.getGranted()) {
                        throw new AssertionError("refused: " + result);
                    }
                    begin(result, asked);
                }
            }
            case REPLACED -> {
                Map<String, Integer> asked = answered(in, at);
                Replaced answer = ControlCodec.decode(Replaced.parser(), in, at);
                for (RemovedTopic gone : answer.getRemovedList()) {
                    handles.values().remove(gone.getHandle());
                    note(Note.of(Kind.ENDED, gone.getHandle(), gone.getEndOffset(), 0));
                }
                for (TopicResult result : answer.getResultsList()) {
                    if (!result.getGranted() && result.getCode() != ErrorCode.BACK_PRESSURED.code()) {
                        throw new AssertionError("refused: " + result);
                    }
                    if (result.getGranted()) {
                        begin(result, asked);
                    }
                }
            }
            case UNSUBSCRIBED -> {
                answered(in, at);
                for (int gone :
                        ControlCodec.decode(Unsubscribed.parser(), in, at).getHandlesList()) {
                    note(Note.of(Kind.UNSUBSCRIBED, gone, 0, 0));
                }
            }
            case CLOSE ->
                note(Note.of(
                        Kind.CLOSE,
                        0,
                        ControlCodec.decode(Close.parser(), in, at).getCode(),
                        0));
            case ERROR -> throw new AssertionError("the broker refused a request");
            default -> {
                // PONG: nothing about an event.
            }
        }
    }

    private Map<String, Integer> answered(ByteBuf in, int at) {
        Map<String, Integer> asked = wishes.remove(FrameHeader.requestId(in, at));
        if (asked == null) {
            throw new AssertionError("an answer to nothing that was asked");
        }
        return asked;
    }

    private void begin(TopicResult granted, Map<String, Integer> asked) {
        if (handles.put(granted.getTopic(), granted.getHandle()) == null) {
            note(Note.of(Kind.SUBSCRIBED, granted.getHandle(), granted.getNextOffset(), 0));
        }
        note(Note.of(
                Kind.FILTER, granted.getHandle(), granted.getNextOffset(), asked.getOrDefault(granted.getTopic(), -1)));
    }

    /** The first eight bytes of the payload. */
    private static long number(ByteBuf in, int at) {
        int entryAt = EventFrame.entryAt(in, at);
        return in.getLongLE(entryAt + Entry.FIELDS_AT + Entry.fieldsBytes(in, entryAt));
    }
}
