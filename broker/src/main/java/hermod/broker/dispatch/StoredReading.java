package hermod.broker.dispatch;

import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.StoredEntry;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;

/**
 * One question of a subscriber's shard that the store answers.
 *
 * @param readerShard and {@code reader}, {@code readNumber}: who asked, as in a READ record.
 * @param end what is read lies before it.
 */
record StoredReading(
        TopicDispatcher home, int readerShard, long reader, int handle, int readNumber, long from, long end)
        implements DurableDispatcher.Reading {
    /** What is asked for again after a fault: any size is right. */
    static final int AGAIN_BYTES = 32 * 1024;

    @Override
    public void onRead(EventLog.Page page) {
        ByteBuf entries = Unpooled.wrappedBuffer(page.entries());
        byte[] frames = new byte[frameBytes(entries)];
        int to = 0;
        long last = from - 1;
        for (int at = 0; at < entries.writerIndex(); at += StoredEntry.bytes(entries, at)) {
            int bytes = StoredEntry.frameBytes(entries, at);
            entries.getBytes(StoredEntry.frameAt(entries, at), frames, to, bytes);
            to += bytes;
            last = StoredEntry.offset(entries, at);
        }
        home.onStoreRead(this, frames, page.count(), page.firstOffset(), page.isEnd() ? end : last + 1);
    }

    private static int frameBytes(ByteBuf entries) {
        int bytes = 0;
        for (int at = 0; at < entries.writerIndex(); at += StoredEntry.bytes(entries, at)) {
            bytes += StoredEntry.frameBytes(entries, at);
        }
        return bytes;
    }

    @Override
    public void onFault(EngineFault fault) {
        if (fault == EngineFault.CORRUPT) {
            home.onStoreDamaged(this);
        } else {
            home.retryLater(this);
        }
    }
}
