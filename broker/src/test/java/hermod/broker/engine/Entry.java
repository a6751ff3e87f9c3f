package hermod.broker.engine;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** A stored entry as tests write and read it. */
public record Entry(
        long offset,
        int flags,
        String key,
        long producer,
        long sequence,
        long author,
        long ordinal,
        long authorOrdinal,
        long storedAtUs,
        String text) {
    private static final int FRAME_HEAD_BYTES = 16;

    /** One that counts, of no producer and author 1; stored at its offset in microseconds, with its offset as both ordinals. */
    public static Entry at(long offset) {
        return new Entry(offset, StoredEntry.FLAG_COUNTABLE, "", 0, 0, 1, offset, offset, offset, "event " + offset);
    }

    public Entry of(long newProducer, long newSequence) {
        return new Entry(
                offset, flags, key, newProducer, newSequence, author, ordinal, authorOrdinal, storedAtUs, text);
    }

    public Entry by(long newAuthor, long newAuthorOrdinal) {
        return new Entry(
                offset, flags, key, producer, sequence, newAuthor, ordinal, newAuthorOrdinal, storedAtUs, text);
    }

    public Entry key(String newKey) {
        return new Entry(offset, flags, newKey, producer, sequence, author, ordinal, authorOrdinal, storedAtUs, text);
    }

    public Entry tombstone(String newKey) {
        return new Entry(
                offset,
                flags | StoredEntry.FLAG_TOMBSTONE,
                newKey,
                producer,
                sequence,
                author,
                ordinal,
                authorOrdinal,
                storedAtUs,
                text);
    }

    public Entry uncounted(long newOrdinal) {
        return new Entry(
                offset,
                flags & ~StoredEntry.FLAG_COUNTABLE,
                key,
                producer,
                sequence,
                author,
                newOrdinal,
                authorOrdinal,
                storedAtUs,
                text);
    }

    public Entry storedAt(long newStoredAtUs) {
        return new Entry(offset, flags, key, producer, sequence, author, ordinal, authorOrdinal, newStoredAtUs, text);
    }

    public Entry text(String newText) {
        return new Entry(offset, flags, key, producer, sequence, author, ordinal, authorOrdinal, storedAtUs, newText);
    }

    /** A frame that says when it is worthless: at once, or never. */
    public Entry expired(boolean isExpired) {
        return text("\0\0\0\0\0\0\0\0" + (isExpired ? "\1" : "\0") + "\0\0\0 event " + offset);
    }

    public int bytes() {
        return StoredEntry.FIXED_BYTES
                + key.getBytes(StandardCharsets.UTF_8).length
                + FRAME_HEAD_BYTES
                + Long.BYTES
                + text.getBytes(StandardCharsets.UTF_8).length;
    }

    public static ByteBuf buffer(Entry... entries) {
        ByteBuf out = Unpooled.buffer();
        for (Entry each : entries) {
            each.write(out);
        }
        return out;
    }

    public void write(ByteBuf out) {
        byte[] keyBytes = key.getBytes(StandardCharsets.UTF_8);
        byte[] textBytes = text.getBytes(StandardCharsets.UTF_8);
        StoredEntry.writeHead(
                out,
                flags,
                keyBytes.length,
                FRAME_HEAD_BYTES + Long.BYTES + textBytes.length,
                producer,
                sequence,
                author,
                ordinal,
                authorOrdinal,
                storedAtUs);
        out.writeBytes(keyBytes).writeZero(FRAME_HEAD_BYTES).writeLongLE(offset).writeBytes(textBytes);
    }

    public static List<Entry> of(EventLog.Page page) {
        List<Entry> entries = new ArrayList<>();
        ByteBuf in = Unpooled.wrappedBuffer(page.entries());
        for (int at = 0; at < in.readableBytes(); at += StoredEntry.bytes(in, at)) {
            int textAt = StoredEntry.frameAt(in, at) + FRAME_HEAD_BYTES + Long.BYTES;
            entries.add(new Entry(
                    StoredEntry.offset(in, at),
                    StoredEntry.flags(in, at),
                    in.toString(StoredEntry.keyAt(at), StoredEntry.keyBytes(in, at), StandardCharsets.UTF_8),
                    StoredEntry.producer(in, at),
                    StoredEntry.sequence(in, at),
                    StoredEntry.author(in, at),
                    StoredEntry.ordinal(in, at),
                    StoredEntry.authorOrdinal(in, at),
                    StoredEntry.storedAtUs(in, at),
                    in.toString(textAt, at + StoredEntry.bytes(in, at) - textAt, StandardCharsets.UTF_8)));
        }
        return entries;
    }
}
