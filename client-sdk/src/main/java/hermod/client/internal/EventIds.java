package hermod.client.internal;

import com.github.f4b6a3.ulid.Ulid;
import com.github.f4b6a3.ulid.UlidFactory;
import java.util.concurrent.ThreadLocalRandom;

/** ULIDs as event ids: made, read, written and derived. Any thread. */
public final class EventIds {
    public static final int BYTES = 16;

    private static final int EPOCH_SHIFT_HIGH = 16;
    private static final int EPOCH_SHIFT_LOW = 48;
    private static final long LOW_48 = 0xffff_ffff_ffffL;

    // One for the process, so that ids rise over all its clients; not a secret, so the random bits need no entropy from
    // the system.
    private static final UlidFactory FACTORY =
            UlidFactory.newMonotonicInstance(() -> ThreadLocalRandom.current().nextLong());

    private EventIds() {}

    /** The next id: higher than any before it in this process. */
    static byte[] next() {
        return FACTORY.create().toBytes();
    }

    /** @throws IllegalArgumentException if the text is no ULID of 26 characters. */
    public static byte[] parse(String ulid) {
        if (!Ulid.isValid(ulid)) {
            throw new IllegalArgumentException("event id must be a ULID of 26 characters: '" + ulid + "'");
        }
        return Ulid.from(ulid).toBytes();
    }

    static String text(byte[] ulid) {
        return Ulid.from(ulid).toString();
    }

    /** The id of an event that was published without one: 48 bits of milliseconds, 32 of epoch, 48 of offset. */
    static String derived(long timestampUs, int epoch, long offset) {
        long epochBits = epoch & 0xffff_ffffL;
        long high = ((timestampUs / 1_000) << EPOCH_SHIFT_HIGH) | (epochBits >>> EPOCH_SHIFT_HIGH);
        long low = (epochBits << EPOCH_SHIFT_LOW) | (offset & LOW_48);
        return new Ulid(high, low).toString();
    }
}
