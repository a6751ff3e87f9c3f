package hermod.broker.topic;

import hermod.protocol.Priority;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * One published event on its way into its topic: checked, clamped, its defaults filled in. One instance per shard, filled anew for each event; the home shard's.
 */
public final class IncomingEvent {
    /** Holds the entry; borrowed for the call that takes this event. */
    public UnsafeBuffer in = new UnsafeBuffer(0, 0);

    /** Where the {@link hermod.protocol.frame.Entry} starts, and its bytes. */
    public int entryAt;

    public int entryBytes;

    /** The type's code and the bytes of its fields, as the entry has them. */
    public int type;

    public int fieldsBytes;
    public Priority priority = Priority.NORMAL;

    /** Microseconds since 1970 on the broker's clock, not in the future. */
    public long timestampUs;

    /** The effective time to live in seconds; 0 for none. */
    public long ttlSeconds;

    /** The publisher's user id in UTF-8, 1–128 bytes. */
    public byte[] source = new byte[0];

    /** Whether {@link #device} gets no copy. */
    public boolean excludesDevice;

    /** The publisher's device, see {@link hermod.protocol.frame.EventFields#TAG_EXCLUDED_DEVICE}. */
    public long device;
}
