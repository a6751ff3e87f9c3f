package hermod.broker.filter;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import org.jspecify.annotations.Nullable;

/**
 * The filter of one subscription over its topic's offsets: the one in force, and those before it as long as events that went by them may have to be selected again.
 *
 * <pre>
 *   offsets   … 40 41 42 │ 43 44 45 46 │ 47 48 …
 *   filter     the first │  a second   │ the one in force
 * </pre>
 *
 * <p>So a switch needs no look at what is queued: an event goes by the filter its offset had, however often and late it is read.
 */
@RunsOn(Owner.SHARD)
public final class FeedFilter {
    /** Earlier filters a subscription may have at a time; only one that is not read to, and replaced again and again, gets so many. */
    public static final int EARLIER_MAX = 8;

    /** @param until the first offset that does not go by it. */
    private record Earlier(@Nullable EventFilter filter, long until) {}

    private final ArrayList<Earlier> earlier = new ArrayList<>(1);
    private @Nullable EventFilter current;
    private long since;

    /** The highest offset the subscriber knows of: of an event offered to it, or told by a PROGRESS. */
    private long knownOffset;

    private long progressNs;
    private boolean isNoted;

    /**
     * @param filter null for all events.
     * @param nextOffset the first one the subscription is to get.
     */
    public FeedFilter(@Nullable EventFilter filter, long nextOffset, long nowNs) {
        current = filter;
        knownOffset = nextOffset - 1;
        progressNs = nowNs;
    }

    /** The one in force; null for all events. */
    public @Nullable EventFilter current() {
        return current;
    }

    /** The offset from which on events go by the one in force. */
    public long since() {
        return since;
    }

    /** Whether the subscription is granted and not in force yet. */
    public boolean isStarting() {
        return current == EventFilter.NOTHING;
    }

    /** Whether it can be forgotten, because all events match that may still be selected. */
    public boolean isOver() {
        return current == null && earlier.isEmpty();
    }

    /** Whether it can't be switched now. */
    public boolean isFull(long firstUnsent) {
        prune(firstUnsent);
        return earlier.size() >= EARLIER_MAX;
    }

    /** From an offset on, at or behind all selected so far, events go by another filter. */
    public void switchTo(@Nullable EventFilter filter, long from) {
        if (from > since) {
            earlier.add(new Earlier(current, from));
        }
        current = filter;
        since = from;
    }

    /** Forgets filters that only what was sent went by. */
    public void prune(long firstUnsent) {
        while (!earlier.isEmpty() && earlier.get(0).until <= firstUnsent) {
            earlier.remove(0);
        }
    }

    /**
     * Whether the subscription wants an event.
     *
     * @param in borrowed, with the value of the field attributes at {@code at}.
     * @param bytes 0 for an event without attributes.
     */
    public boolean wants(long offset, ByteBuf in, int at, int bytes) {
        EventFilter filter = offset >= since ? current : earlierAt(offset);
        return filter == null || filter.matches(in, at, bytes);
    }

    private @Nullable EventFilter earlierAt(long offset) {
        // By index: an iterator would be made for each event.
        for (int i = 0; i < earlier.size(); i++) {
            Earlier each = earlier.get(i);
            if (offset < each.until) {
                return each.filter;
            }
        }
        return current;
    }

    // ---- PROGRESS

    /** The subscriber is sent an event with this offset, or was told of it. */
    public void onKnown(long offset) {
        knownOffset = Math.max(knownOffset, offset);
    }

    public long knownOffset() {
        return knownOffset;
    }

    /** When the last PROGRESS was sent, or the subscription began. */
    public long progressNs() {
        return progressNs;
    }

    public void onProgress(long offset, long nowNs) {
        onKnown(offset);
        progressNs = nowNs;
    }

    /** Notes that it has something to do at a tick; false if it was noted already. */
    public boolean note() {
        boolean isFirst = !isNoted;
        isNoted = true;
        return isFirst;
    }

    public void unnote() {
        isNoted = false;
    }
}
