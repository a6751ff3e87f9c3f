package hermod.broker.engine;

import io.netty.buffer.ByteBuf;
import org.jspecify.annotations.Nullable;

/**
 * Events in order, by stream: one stream is what is stored of one topic. Entries are {@link StoredEntry}s.
 *
 * <p>Guarantees:
 *
 * <ul>
 *   <li><b>Order.</b> What one appender appends in one lane is stored, and completed, in the order given. A stream has one appender at a time. Offsets are chosen by the caller and never changed. They rise, with holes; only an entry whose append failed may be appended again when later ones are stored already, and is then read in its place.
 *   <li><b>Whole or not.</b> An append is stored whole or not at all.
 *   <li><b>Durable.</b> Completed as stored means that it survives the end of the process and of the machine's power. Nothing is completed as stored before that.
 *   <li><b>Idempotent.</b> Entries appended again with the same stream, offset and event id are stored once.
 *   <li><b>Not before it is stored</b> is an entry read, and from then on it always is, until retention removes it. Retention removes from the front only.
 *   <li><b>Damage</b> is told as {@link EngineFault#CORRUPT}; nothing that is damaged is ever handed out.
 * </ul>
 */
public interface EventLog {
    /** An appender of its own for a shard; any thread, while the engine starts. */
    Appender appender(Completion completion);

    /** One shard's way into the log. Its methods are that shard's, copy what they are given, and never wait. */
    interface Appender {
        /** Whether {@code bytes} more can be appended now; the urgent lane has a bound of its own. */
        boolean hasRoom(boolean isUrgent, int bytes);

        /**
         * Appends entries of one stream.
         *
         * @param isUrgent whether it goes before what waits in the other lane. A stream's entries all take the same lane.
         * @param entries borrowed: {@link StoredEntry}s one behind the other, offsets rising.
         * @return the ticket under which it is completed: 1 for the lane's first, one more for each further.
         * @throws IllegalStateException where {@link #hasRoom} would have said no.
         */
        long append(boolean isUrgent, long stream, ByteBuf entries);

        /**
         * Notes that offsets below {@code end} may be given out before their events are stored: after a restart {@link Opened#nextOffset} is not below it.
         *
         * @return a ticket, as for {@link #append}.
         */
        long reserve(boolean isUrgent, long stream, long end);

        /** To be called when the shard's turn ends: what was appended goes on its way. */
        void flush();
    }

    /** Told what became of appends: one call at a time, in the order of the tickets of each lane, on a thread of the engine's; must not wait. */
    interface Completion {
        /** All tickets of the lane up to this one that were not completed before are stored. */
        void onStored(boolean isUrgent, long ticket);

        /** All tickets of the lane up to this one that were not completed before are not acknowledged; whether they are stored is unknown. Later ones may succeed. */
        void onFailed(boolean isUrgent, long ticket, EngineFault fault);
    }

    /**
     * What is known of a stream when it is opened.
     *
     * @param stream its number, which never changes.
     * @param epoch that of the first open, whatever later ones wished.
     * @param firstOffset retention has removed nothing at or above it; not above {@code nextOffset}. The first entry may be higher: offsets have holes.
     * @param nextOffset above all offsets stored or reserved.
     * @param ordinal of the last countable entry; 0 where there was none.
     * @param storedAtUs of the last entry; 0 where there was none.
     */
    record Opened(long stream, int epoch, long firstOffset, long nextOffset, long ordinal, long storedAtUs) {}

    /**
     * Opens a topic's stream, made if need be. Not while appends to it are under way.
     *
     * @param epoch what a new stream gets; not 0.
     */
    void open(String org, String topic, int epoch, Answer<Opened> answer);

    /**
     * Looks for a topic's stream and never makes one; at any time, appends to it may be under way. What comes is a moment's view: the stream, its epoch and that it is there stay true, the other numbers may be behind by the time they are seen.
     *
     * @param answer null where the topic never had a stream.
     */
    void find(String org, String topic, Answer<@Nullable Opened> answer);

    /**
     * What a stream has of one publisher: so that what it sends again is recognised, and its events are counted on.
     *
     * @param sequences rising: the newest ones stored, at most 1,024; {@code offsets} what they got.
     * @param authorOrdinal of the author's last countable entry; 0 where there was none.
     */
    record Recalled(long[] sequences, long[] offsets, long authorOrdinal) {}

    /** @param producer and {@code author} as {@link StoredEntry} has them; 0 for a producer without sequences. */
    void recall(long stream, long producer, long author, Answer<Recalled> answer);

    /**
     * What is read.
     *
     * @param from the first offset wanted; backwards, the last one.
     * @param end offset to stop before; backwards ({@code isBackwards}), the lowest that is wanted. {@link Long#MAX_VALUE} (0 backwards) for all.
     * @param countMax and {@code bytesMax}: as many at most; one entry is read whatever its size.
     */
    record Order(long stream, long from, long end, boolean isBackwards, int countMax, int bytesMax) {}

    /**
     * Entries that were read.
     *
     * @param entries one behind the other, in the order they were read in; the receiver's.
     * @param count of them.
     * @param firstOffset retention has removed nothing at or above it.
     * @param isEnd whether there is no further entry in what was asked for.
     */
    record Page(byte[] entries, int count, long firstOffset, boolean isEnd) {}

    /** Reads entries, among them all that were completed as stored before this call. */
    void read(Order order, Answer<Page> answer);

    /** The offset of the first entry that was stored at or after a time ({@link StoredEntry#storedAtUs}); where there is none, one above the last that is stored, 1 where nothing is. */
    void offsetAt(long stream, long storedAtUs, Answer<Long> answer);

    /**
     * The last entry of each key, in the order of the keys; keys are {@link StoredEntry}'s. Retention does not remove them, but where the key does not exist: was deleted, or its value has expired.
     *
     * @param afterKey the last one of the page before; empty for the first page.
     */
    void lastOfKeys(long stream, byte[] afterKey, int countMax, int bytesMax, Answer<Page> answer);
}
