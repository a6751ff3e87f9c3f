package hermod.broker.dispatch;

import hermod.broker.engine.EventLog;
import hermod.broker.engine.StoredEntry;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.EventIds;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import org.agrona.collections.LongArrayList;

/** Gathers the ids of a topic's latest events, newest first, as the engine's pages bring them. */
@RunsOn(Owner.SHARD)
final class IdLoading {
    static final int PAGE_COUNT = 1_000;
    static final int PAGE_BYTES = 1024 * 1024;

    private final int limitCount;
    private final long windowUs;
    private final long nowUs;

    /** Of each event high and low half of the id, offset, time. */
    private final LongArrayList found = new LongArrayList();

    private int looked;

    /** Events up to here were not looked at. */
    private long forgottenUs = Long.MIN_VALUE;

    private long lowestOffset;

    IdLoading(int limitCount, long windowUs, long nowUs) {
        this.limitCount = limitCount;
        this.windowUs = windowUs;
        this.nowUs = nowUs;
    }

    /** @return whether there are enough. */
    boolean take(EventLog.Page page) {
        ByteBuf entries = Unpooled.wrappedBuffer(page.entries());
        for (int at = 0; at < entries.writerIndex(); at += StoredEntry.bytes(entries, at)) {
            long timeUs = StoredEntry.storedAtUs(entries, at);
            if (nowUs - timeUs > windowUs) {
                return true;
            }
            if (looked == limitCount) {
                forgottenUs = timeUs;
                return true;
            }
            looked++;
            lowestOffset = StoredEntry.offset(entries, at);
            int idAt = EventId.atInFrame(entries, StoredEntry.frameAt(entries, at));
            if (idAt >= 0) {
                found.addLong(entries.getLong(idAt));
                found.addLong(entries.getLong(idAt + Long.BYTES));
                found.addLong(lowestOffset);
                found.addLong(timeUs);
            }
        }
        return false;
    }

    long lowestOffset() {
        return lowestOffset;
    }

    EventIds ids() {
        EventIds ids = new EventIds(limitCount, windowUs);
        ids.forgotten(forgottenUs);
        for (int i = found.size() - 4; i >= 0; i -= 4) {
            long high = found.getLong(i);
            long low = found.getLong(i + 1);
            if (ids.find(high, low, nowUs) == 0) {
                ids.add(high, low, found.getLong(i + 2), found.getLong(i + 3));
            }
        }
        return ids;
    }
}
