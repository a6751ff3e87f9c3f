package hermod.broker.engine;

/**
 * What is kept of a stream: an entry goes when any of the three says so.
 *
 * @param ageUs from {@link StoredEntry#storedAtUs}.
 * @param events newest ones.
 * @param bytes of newest entries.
 */
public record Retention(long ageUs, long events, long bytes) {
    /** Which holds for a topic; any thread. An engine asks for streams that nobody has opened too. */
    public interface Rules {
        Retention of(String org, String topic);
    }

    /** All of it. */
    public static final Retention ALL = new Retention(Long.MAX_VALUE, Long.MAX_VALUE, Long.MAX_VALUE);
}
