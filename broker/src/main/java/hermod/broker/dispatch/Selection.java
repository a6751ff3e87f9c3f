package hermod.broker.dispatch;

import hermod.broker.filter.FeedFilter;
import hermod.broker.metrics.ChannelCounter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.outbox.Feed;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.Priority;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import org.jspecify.annotations.Nullable;

/**
 * Which pieces of a run are meant for one feed: what lies between events that leave its device out or that its filter does not match. One walk over the events looks at both.
 *
 * <pre>
 *   run     [a][b][c][d][e][f]          begin(feed, memory, from, to)
 *   wanted      x  x     x  x           next() → [b][c]   next() → [e][f]   next() → false
 * </pre>
 *
 * <p>A run is walked to its end: only then is it counted, and the feed's filter knows what the subscriber was told.
 */
@RunsOn(Owner.SHARD)
final class Selection {
    private final ShardMetrics metrics;
    private final ProgressList progress;
    private @Nullable Feed feed;
    private @Nullable FeedFilter filter;
    private ByteBuf memory = Unpooled.EMPTY_BUFFER;
    private int at;
    private int end;
    private int pieceFrom;
    private int pieceTo;
    private int pieceCount;
    private Priority piecePriority = Priority.LOW;
    private int filteredCount;

    /** Index of the last frame that is wanted; negative for none. */
    private int lastWantedAt;

    Selection(ShardMetrics metrics, ProgressList progress) {
        this.metrics = metrics;
        this.progress = progress;
    }

    /**
     * Begins to walk a run for a feed.
     *
     * @param run borrowed until {@link #next} has returned false; whole EVENT frames in [from, to).
     */
    void begin(Feed wantingFeed, ByteBuf run, int from, int to) {
        feed = wantingFeed;
        filter = wantingFeed.filter();
        memory = run;
        at = from;
        end = to;
        filteredCount = 0;
        lastWantedAt = -1;
    }

    /** Goes on to the next piece that is wanted; false at the end. */
    boolean next() {
        pieceCount = 0;
        Feed wanting = feed;
        while (at < end && wanting != null) {
            int frameAt = at;
            at += FrameHeader.frameBytes(memory, frameAt);
            if (isWanted(wanting, frameAt)) {
                if (pieceCount++ == 0) {
                    pieceFrom = frameAt;
                    piecePriority = Priority.LOW;
                }
                Priority priority = FrameHeader.priority(memory, frameAt);
                if (priority.compareTo(piecePriority) > 0) {
                    piecePriority = priority;
                }
                pieceTo = at;
                lastWantedAt = frameAt;
            } else if (pieceCount > 0) {
                return true;
            }
        }
        if (pieceCount > 0) {
            return true;
        }
        finish();
        return false;
    }

    /** A piece did not fit: the events from it on will be looked at again. */
    void abandon() {
        forget();
    }

    /** Index of the piece's first byte. */
    int from() {
        return pieceFrom;
    }

    /** Index behind the piece's last byte. */
    int to() {
        return pieceTo;
    }

    /** The highest among the piece's events: that of the run may be one's that is not wanted. */
    Priority priority() {
        return piecePriority;
    }

    /** Events in the piece. */
    int count() {
        return pieceCount;
    }

    private boolean isWanted(Feed wanting, int frameAt) {
        FeedFilter wanted = filter;
        boolean mayExclude = (FrameHeader.flags(memory, frameAt) & FrameHeader.FLAG_EXCLUDE_DEVICE) != 0;
        if (wanted == null && !mayExclude) {
            return true;
        }
        int entryAt = EventFrame.entryAt(memory, frameAt);
        int next = entryAt + Entry.FIELDS_AT;
        int fieldsEnd = next + Entry.fieldsBytes(memory, entryAt);
        int attributesAt = next;
        int attributesBytes = 0;
        while (next < fieldsEnd) {
            int tag = memory.getUnsignedByte(next);
            int valueAt = next + EventFields.HEAD_BYTES;
            int valueBytes = memory.getUnsignedShortLE(next + 1);
            if (tag == EventFields.TAG_ATTRIBUTES) {
                attributesAt = valueAt;
                attributesBytes = valueBytes;
            } else if (tag >= EventFields.TAG_EXCLUDED_DEVICE) {
                if (mayExclude
                        && tag == EventFields.TAG_EXCLUDED_DEVICE
                        && memory.getLongLE(valueAt) == wanting.device()) {
                    return false;
                }
                break;
            }
            next = valueAt + valueBytes;
        }
        if (wanted == null || wanted.wants(EventFrame.offset(memory, frameAt), memory, attributesAt, attributesBytes)) {
            return true;
        }
        filteredCount++;
        return false;
    }

    private void finish() {
        Feed walked = feed;
        FeedFilter wanted = filter;
        if (walked != null && wanted != null) {
            if (lastWantedAt >= 0) {
                wanted.onKnown(EventFrame.offset(memory, lastWantedAt));
            }
            if (filteredCount > 0 && !wanted.isStarting()) {
                metrics.add(walked.channel(), ChannelCounter.FILTERED, filteredCount);
            }
            progress.note(walked, wanted);
        }
        forget();
    }

    private void forget() {
        feed = null;
        filter = null;
        memory = Unpooled.EMPTY_BUFFER;
    }
}
