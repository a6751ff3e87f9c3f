package hermod.broker.engine.embedded;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * What retention has left behind of a stream: what is below is gone, whatever a file may still have of it.
 *
 * @param firstOffset nothing below it is kept.
 * @param end above the last entry that was removed.
 * @param ordinal and {@code storedAtUs} of that entry.
 */
record Retained(long firstOffset, long end, long ordinal, long storedAtUs) {
    private static final Retained NOTHING = new Retained(0, 0, 0, 0);

    static Retained of(byte @Nullable [] stored) {
        if (stored == null) {
            return NOTHING;
        }
        ByteBuffer in = ByteBuffer.wrap(stored);
        return new Retained(in.getLong(), in.getLong(), in.getLong(), in.getLong());
    }

    byte[] bytes() {
        return ByteBuffer.allocate(4 * Long.BYTES)
                .putLong(firstOffset)
                .putLong(end)
                .putLong(ordinal)
                .putLong(storedAtUs)
                .array();
    }
}
