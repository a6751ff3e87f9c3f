package hermod.bench.crash;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/**
 * What one client did and saw, in the order it happened, in columns of primitives. The {@link CrashChecker} reads nothing else.
 *
 * <p>An event is named by its <em>key</em>, which its payload carries: the publisher's index and the event's number among that publisher's, which rises within a topic.
 *
 * <p>Any thread: every method holds the log's own lock.
 */
final class ClientLog {
    /** What happened. */
    enum Kind {
        /** The client is about to publish: topic, key. */
        PUBLISHED,
        /** The broker took it: topic, key, offset, epoch. */
        ACCEPTED,
        /** Refused, and surely not stored: topic, key, code. */
        REFUSED,
        /** Refused or given up, and it may have been stored: topic, key, code. */
        UNKNOWN,
        /** From here on every event above the offset is awaited: topic, offset, epoch; 0 for whatever epoch comes. */
        FOLLOWS,
        /** An event came: topic, key, offset, epoch. */
        EVENT,
        /** The client was told that events are not coming: topic, first offset in place of the key, last offset, epoch. */
        MISSED,
        /** The client stopped following of its own will: topic, offset up to which it has all. */
        LEFT
    }

    /** Key of an event whose payload none of this run's publishers made. */
    static final long FOREIGN = -1;

    /** Last offset of a {@link Kind#MISSED} that has no known end. */
    static final long NO_END = Long.MAX_VALUE;

    private static final int FIRST_CAPACITY = 256;
    private static final Kind[] KINDS = Kind.values();

    private final String name;
    private final boolean isApplication;
    private final long originNs;
    private int count;
    private byte[] kinds = new byte[FIRST_CAPACITY];
    private int[] topics = new int[FIRST_CAPACITY];
    private long[] keys = new long[FIRST_CAPACITY];
    private long[] offsets = new long[FIRST_CAPACITY];
    private int[] epochs = new int[FIRST_CAPACITY];
    private int[] times = new int[FIRST_CAPACITY];

    /**
     * @param isApplication what an application sees behind the SDK, which must see no event twice whatever connection it came on; otherwise what comes on the wire.
     * @param originNs of the times, by {@link System#nanoTime}.
     */
    ClientLog(String name, boolean isApplication, long originNs) {
        this.name = name;
        this.isApplication = isApplication;
        this.originNs = originNs;
    }

    static long key(int publisher, int number) {
        return (long) publisher << Integer.SIZE | Integer.toUnsignedLong(number);
    }

    static int publisherOf(long key) {
        return (int) (key >>> Integer.SIZE);
    }

    static int numberOf(long key) {
        return (int) key;
    }

    String name() {
        return name;
    }

    boolean isApplication() {
        return isApplication;
    }

    void published(int topic, long key) {
        add(Kind.PUBLISHED, topic, key, 0, 0);
    }

    void accepted(int topic, long key, long offset, int epoch) {
        add(Kind.ACCEPTED, topic, key, offset, epoch);
    }

    void refused(int topic, long key, int code) {
        add(Kind.REFUSED, topic, key, code, 0);
    }

    void unknown(int topic, long key, int code) {
        add(Kind.UNKNOWN, topic, key, code, 0);
    }

    void follows(int topic, long aboveOffset, int epoch) {
        add(Kind.FOLLOWS, topic, 0, aboveOffset, epoch);
    }

    void event(int topic, long key, long offset, int epoch) {
        add(Kind.EVENT, topic, key, offset, epoch);
    }

    void missed(int topic, long from, long to, int epoch) {
        add(Kind.MISSED, topic, from, to, epoch);
    }

    void left(int topic, long cursor, int epoch) {
        add(Kind.LEFT, topic, 0, cursor, epoch);
    }

    private synchronized void add(Kind kind, int topic, long key, long offset, int epoch) {
        if (count == kinds.length) {
            int capacity = count * 2;
            kinds = Arrays.copyOf(kinds, capacity);
            topics = Arrays.copyOf(topics, capacity);
            keys = Arrays.copyOf(keys, capacity);
            offsets = Arrays.copyOf(offsets, capacity);
            epochs = Arrays.copyOf(epochs, capacity);
            times = Arrays.copyOf(times, capacity);
        }
        kinds[count] = (byte) kind.ordinal();
        topics[count] = topic;
        keys[count] = key;
        offsets[count] = offset;
        epochs[count] = epoch;
        times[count] = (int) TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - originNs);
        count++;
    }

    synchronized int count() {
        return count;
    }

    synchronized Kind kind(int index) {
        return KINDS[kinds[index]];
    }

    synchronized int topic(int index) {
        return topics[index];
    }

    /** The event's key; of a {@link Kind#MISSED} the first offset. */
    synchronized long key(int index) {
        return keys[index];
    }

    /** The offset; of a refusal the code. */
    synchronized long offset(int index) {
        return offsets[index];
    }

    synchronized int epoch(int index) {
        return epochs[index];
    }

    /** Milliseconds since the run began. */
    synchronized int atMs(int index) {
        return times[index];
    }
}
