package hermod.broker.engine;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Small shared values with versions and time to live: cursors, members, schedules, switches. Within a space keys are ordered as unsigned bytes.
 *
 * <p>Guarantees: changes of one key take place one after the other; a change whose answer says stored survives the end of the process and of the machine's power, and every later {@link #get} and {@link #scan} sees it. A value whose time is
 * over is seen by nobody.
 */
public interface KeyedState {
    /** For {@link #put}: whatever is there. */
    long ANY_VERSION = -1;

    /** For {@link #put}: nothing may be there. */
    long NO_VERSION = 0;

    /** For {@link #put}: no time to live. */
    long NEVER_EXPIRES = Long.MAX_VALUE;

    /** Bytes of a key and of a value, at most. */
    int KEY_BYTES_MAX = 1_024;

    int VALUE_BYTES_MAX = 1024 * 1024;

    /**
     * A value.
     *
     * @param version rises with each change of the key, over deletions too; above 0.
     */
    record Value(byte[] key, byte[] bytes, long version, long expiresAtUs) {}

    /**
     * What became of a change.
     *
     * @param isStored false where the version was another.
     * @param version the new one; where it was not stored, the one that is there ({@link #NO_VERSION} for none).
     */
    record Outcome(boolean isStored, long version) {}

    /** Null where there is none. */
    void get(String space, byte[] key, Answer<@Nullable Value> answer);

    /**
     * Sets or deletes a value if its version is the expected one.
     *
     * @param space at most 64 characters.
     * @param value null deletes.
     * @param expiresAtUs in microseconds since 1970.
     */
    void put(
            String space,
            byte[] key,
            long expectedVersion,
            byte @Nullable [] value,
            long expiresAtUs,
            Answer<Outcome> answer);

    /** Values in the order of their keys, from a key on, before another (null: to the end of the space). */
    void scan(String space, byte[] from, byte @Nullable [] end, int countMax, Answer<List<Value>> answer);
}
