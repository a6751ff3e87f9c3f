package hermod.broker.session;

import hermod.broker.outbox.Feed;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import io.netty.buffer.ByteBuf;
import java.util.Arrays;

/** The events of one subscription that were given to the socket and not acknowledged, by rising offset. */
@RunsOn(Owner.SHARD)
final class Unacknowledged implements Feed.Written {
    private static final int FIRST_ROOM = 8;

    final HeldTopic row;
    final Feed feed;
    private final RedeliveryConfig config;
    private long[] offsets = new long[FIRST_ROOM];
    private long[] sentNs = new long[FIRST_ROOM];
    private int[] sends = new int[FIRST_ROOM];
    private int count;

    /** The highest that was given to the socket. */
    private long sentTo;

    /** The highest that the client has acknowledged. */
    private long acknowledgedTo;

    Unacknowledged(HeldTopic row, Feed feed, RedeliveryConfig config) {
        this.row = row;
        this.feed = feed;
        this.config = config;
    }

    @Override
    public void onWritten(ByteBuf memory, int from, int to, long nowUs, long nowNs) {
        for (int at = from; at < to; at += FrameHeader.frameBytes(memory, at)) {
            if (EventFrame.expiresAtUs(memory, at) > nowUs) {
                add(EventFrame.offset(memory, at), nowNs);
            }
        }
    }

    private void add(long offset, long nowNs) {
        sentTo = Math.max(sentTo, offset);
        int at =
                count == 0 || offsets[count - 1] < offset ? -1 - count : Arrays.binarySearch(offsets, 0, count, offset);
        if (at >= 0) {
            // Counted when it was asked for: {@link #onRewind}.
            sentNs[at] = nowNs;
            return;
        }
        at = -1 - at;
        if (count == config.unacknowledgedLimitCount()) {
            removeFirst(1);
            at = Math.max(0, at - 1);
        }
        if (count == offsets.length) {
            int room = Math.min(2 * count, config.unacknowledgedLimitCount());
            offsets = Arrays.copyOf(offsets, room);
            sentNs = Arrays.copyOf(sentNs, room);
            sends = Arrays.copyOf(sends, room);
        }
        move(at, at + 1, count - at);
        offsets[at] = offset;
        sentNs[at] = nowNs;
        sends[at] = 1;
        count++;
    }

    private void move(int from, int to, int many) {
        System.arraycopy(offsets, from, offsets, to, many);
        System.arraycopy(sentNs, from, sentNs, to, many);
        System.arraycopy(sends, from, sends, to, many);
    }

    int count() {
        return count;
    }

    long offset(int at) {
        return offsets[at];
    }

    /** When it was given to the socket last. */
    long sentNs(int at) {
        return sentNs[at];
    }

    /** The client has handled what it was sent up to and including an offset: nothing that is sent later, whatever it says. */
    void acknowledge(long offset) {
        acknowledgedTo = Math.max(acknowledgedTo, Math.min(offset, sentTo));
    }

    /** One of them is sent again, and all behind it: an attempt of each, even where it has expired, is no longer kept or no longer wanted and so does not come. */
    void onRewind(int from, long nowNs) {
        for (int at = from; at < count; at++) {
            sentNs[at] = nowNs;
            sends[at]++;
        }
    }

    /** How many of the first the client has acknowledged. */
    int acknowledgedCount() {
        int acknowledged = 0;
        while (acknowledged < count && offsets[acknowledged] <= acknowledgedTo) {
            acknowledged++;
        }
        return acknowledged;
    }

    long[] first(int many) {
        return Arrays.copyOf(offsets, many);
    }

    void removeFirst(int many) {
        count -= many;
        move(many, 0, count);
    }

    /** The first that is to be sent again now, with what follows it; −1 for none. Those that were sent as often as they may be are passed over. */
    int firstDue(long nowNs) {
        for (int at = 0; at < count; at++) {
            if (sends[at] <= config.attemptsLimitCount()) {
                return nowNs - sentNs[at] >= waitNs(sends[at]) ? at : -1;
            }
        }
        return -1;
    }

    private long waitNs(int sentCount) {
        long waitMs = (long) config.afterMs() << Math.min(sentCount - 1, Integer.SIZE);
        return Math.min(waitMs, config.intervalMaxMs()) * 1_000_000L;
    }
}
