package hermod.broker.engine;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * All that is stored of a channel of an org, whatever the topic, one behind the other: for those who read whole channels. Any thread may ask.
 *
 * <p>A channel is the part of a topic's name before the first colon. Guarantees:
 *
 * <ul>
 *   <li><b>From its beginning on.</b> Every entry whose append is completed as stored after {@link #begin} was answered is in it, once, and only stored entries are.
 *   <li><b>Positions</b> rise by one from 1 on, and are never given twice. Those of one stream are in the order of its offsets, but for an entry that was appended again after later ones.
 *   <li><b>Durable.</b> What was read at a position is read there for ever, over restarts, until the entry is removed by retention or {@link #release} allows it. Removal is from the front.
 *   <li><b>Soon.</b> What is stored can be read, and {@link Listener} is told, soon after the append was completed: not before, and not within a stated time.
 * </ul>
 */
public interface ChannelLog {
    /**
     * What is known of a channel's log.
     *
     * @param channel its number, which never changes.
     * @param firstPosition nothing at or above it was removed; not above {@code nextPosition}.
     * @param nextPosition above all that can be read now.
     */
    record Begun(long channel, long firstPosition, long nextPosition) {}

    /** The channel of a topic; null for a topic that has none. */
    static @Nullable String channelOf(String topic) {
        int colon = topic.indexOf(':');
        return colon < 0 ? null : topic.substring(0, colon);
    }

    /** Begins a channel's log, if need be. Channels that nobody began cost nothing. */
    void begin(String org, String channel, Answer<Begun> answer);

    /** Looks for one and never begins it. @param answer null where there is none. */
    void find(String org, String channel, Answer<@Nullable Begun> answer);

    /**
     * One place of a channel's log.
     *
     * @param topic its whole name.
     * @param epoch the topic's.
     * @param entry a {@link StoredEntry}; null where retention has removed it from its stream.
     */
    record Item(long position, long stream, String topic, int epoch, byte @Nullable [] entry) {}

    /**
     * What was read.
     *
     * @param firstPosition nothing at or above it was removed: where it is above what was asked for, the places before it are lost.
     * @param isEnd whether there is nothing behind the last item now.
     */
    record Page(List<Item> items, long firstPosition, long nextPosition, boolean isEnd) {}

    /** Reads on from a position. @param countMax and {@code bytesMax} (of entries): as many at most; one item is read whatever its size. */
    void read(long channel, long from, int countMax, int bytesMax, Answer<Page> answer);

    /** Nobody will read what is below a position: it may be removed, at any time. */
    void release(long channel, long below);

    /** Ends a log: what is in it is removed, nothing more comes into it, and where it begins anew its number and positions go on. @param answer when that survives a restart. */
    void end(long channel, Answer<Boolean> answer);

    /** Told that there is more to read; on a thread of the engine's, must not wait. */
    interface Listener {
        void onGrown(long channel, long nextPosition);
    }

    /** Who is told; to be set once, before the first {@link #begin}. */
    void listener(Listener listener);
}
