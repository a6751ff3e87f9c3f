package hermod.broker.engine;

/**
 * What is kept of a stream: an entry goes when any of the four says so. Entries go from the front only: one that is to stay keeps those behind it.
 *
 * @param ageUs from {@link StoredEntry#storedAtUs}.
 * @param events newest ones.
 * @param bytes of newest entries.
 * @param expiredAgeUs the same as ageUs, of entries whose own time to live is over, see {@link StoredEntry#expiresAtUs}; {@code Long.MAX_VALUE} where that makes no difference.
 */
public record Retention(long ageUs, long events, long bytes, long expiredAgeUs) {
    /** Which holds for a topic; any thread. An engine asks for streams that nobody has opened too. */
    public interface Rules {
        Retention of(String org, String topic);
    }

    /** Told what is gone. */
    public interface Listener {
        /**
         * Soon after it was removed; a thread of the engine's, which must not wait here.
         *
         * @param firstOffset the first that is kept.
         */
        void onRemoved(String org, String topic, long firstOffset);
    }

    /** All of it. */
    public static final Retention ALL = new Retention(Long.MAX_VALUE, Long.MAX_VALUE, Long.MAX_VALUE);

    /** Whatever the entries' time to live. */
    public Retention(long ageUs, long events, long bytes) {
        this(ageUs, events, bytes, Long.MAX_VALUE);
    }
}
