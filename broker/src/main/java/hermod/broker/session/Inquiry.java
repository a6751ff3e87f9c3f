package hermod.broker.session;

import hermod.broker.filter.EventFilter;
import hermod.broker.topic.Channel;
import hermod.protocol.ErrorCode;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import io.netty.buffer.ByteBuf;
import java.util.concurrent.RejectedExecutionException;
import org.jspecify.annotations.Nullable;

/**
 * A question about a topic's past that a session has admitted: which events it is meant for, and the way of its one answer. Any thread; immutable.
 *
 * <p>One of {@link #answer} and {@link #refuse} is to be called, once: until then the question counts as under way.
 */
public final class Inquiry {
    private final Inquiries inquiries;
    private final int requestId;
    private final String org;
    private final String topic;
    private final Channel channel;
    private final @Nullable EventFilter filter;
    private final long device;

    Inquiry(
            Inquiries inquiries,
            int requestId,
            String org,
            String topic,
            Channel channel,
            @Nullable EventFilter filter,
            long device) {
        this.inquiries = inquiries;
        this.requestId = requestId;
        this.org = org;
        this.topic = topic;
        this.channel = channel;
        this.filter = filter;
        this.device = device;
    }

    public int requestId() {
        return requestId;
    }

    public String org() {
        return org;
    }

    public String topic() {
        return topic;
    }

    public Channel channel() {
        return channel;
    }

    /** Of an EVENT to this connection, in bytes. */
    public int frameLimitBytes() {
        return inquiries.frameLimitBytes();
    }

    /** Whether an event is meant for whoever asks: its device is not left out, and the filter matches. @param in borrowed, with an EVENT at {@code at}. */
    public boolean wants(ByteBuf in, int at) {
        int entryAt = EventFrame.entryAt(in, at);
        int fieldsAt = entryAt + Entry.FIELDS_AT;
        int fieldsBytes = Entry.fieldsBytes(in, entryAt);
        if ((FrameHeader.flags(in, at) & FrameHeader.FLAG_EXCLUDE_DEVICE) != 0) {
            int excludedAt = EventFields.find(in, fieldsAt, fieldsBytes, EventFields.TAG_EXCLUDED_DEVICE);
            if (excludedAt >= 0 && in.getLongLE(excludedAt) == device) {
                return false;
            }
        }
        if (filter == null) {
            return true;
        }
        int attributesAt = EventFields.find(in, fieldsAt, fieldsBytes, EventFields.TAG_ATTRIBUTES);
        return attributesAt < 0
                ? filter.matches(in, fieldsAt, 0)
                : filter.matches(in, attributesAt, EventFields.valueBytes(in, attributesAt));
    }

    /**
     * Answers with a frame.
     *
     * @param frame given.
     * @param expiredCount events that were left out because their time to live had passed.
     */
    public void answer(ByteBuf frame, int expiredCount) {
        try {
            inquiries.execute(() -> inquiries.onAnswered(this, frame, expiredCount));
        } catch (RejectedExecutionException stopped) {
            frame.release();
        }
    }

    /** Answers with ERROR. @param retryAfterMs 0 for no advice. */
    public void refuse(ErrorCode code, String sentence, int retryAfterMs) {
        try {
            inquiries.execute(() -> inquiries.onRefused(this, code, sentence, retryAfterMs));
        } catch (RejectedExecutionException stopped) {
            // Nobody is left to be told.
        }
    }
}
