package hermod.bench.check;

import java.util.Arrays;
import java.util.BitSet;

/**
 * What one client did and saw, in columns of primitives: each publish with its outcome, in the order published, and each event its handlers got, in
 * the order got. The {@link Checker} reads nothing else.
 *
 * <p>Any thread: every method holds the history's own lock, because outcomes and events come on the client's threads while the load's thread publishes.
 */
public final class History {
    /** Number of an event that carries no stamp of this run. */
    public static final int FOREIGN = -1;

    static final long NO_OUTCOME = 0;
    static final long REFUSED = -1;

    private static final int FIRST_CAPACITY = 64;

    private final BitSet subscribedTopics = new BitSet();

    private int publishedCount;
    private int[] publishedTopic = new int[FIRST_CAPACITY];
    private int[] publishedNumber = new int[FIRST_CAPACITY];
    private long[] publishedOutcome = new long[FIRST_CAPACITY];

    private int receivedCount;
    private int[] receivedTopic = new int[FIRST_CAPACITY];
    private int[] receivedNumber = new int[FIRST_CAPACITY];
    private long[] receivedEpoch = new long[FIRST_CAPACITY];
    private long[] receivedOffset = new long[FIRST_CAPACITY];

    /** From now on every acknowledged event of the topic must arrive here. */
    public synchronized void subscribed(int topic) {
        subscribedTopics.set(topic);
    }

    /**
     * @param number the event's number in the whole run, counted from 0 over all clients.
     * @return the publish's index, for its outcome.
     */
    public synchronized int published(int topic, int number) {
        if (publishedCount == publishedTopic.length) {
            int capacity = publishedCount * 2;
            publishedTopic = Arrays.copyOf(publishedTopic, capacity);
            publishedNumber = Arrays.copyOf(publishedNumber, capacity);
            publishedOutcome = Arrays.copyOf(publishedOutcome, capacity);
        }
        publishedTopic[publishedCount] = topic;
        publishedNumber[publishedCount] = number;
        return publishedCount++;
    }

    /** The broker took the event, now or at an earlier attempt. */
    public synchronized void acknowledged(int index, long offset) {
        if (offset <= 0) {
            throw new IllegalArgumentException("offsets start at 1: offset=" + offset);
        }
        publishedOutcome[index] = offset;
    }

    /** The broker or the client said no. */
    public synchronized void refused(int index) {
        publishedOutcome[index] = REFUSED;
    }

    /** A handler got an event. */
    public synchronized void received(int topic, int number, long epoch, long offset) {
        insertReceived(receivedCount, topic, number, epoch, offset);
    }

    public synchronized int publishedCount() {
        return publishedCount;
    }

    public synchronized int receivedCount() {
        return receivedCount;
    }

    synchronized boolean isSubscribed(int topic) {
        return subscribedTopics.get(topic);
    }

    synchronized BitSet subscribedTopics() {
        return (BitSet) subscribedTopics.clone();
    }

    synchronized int publishedTopic(int index) {
        return publishedTopic[index];
    }

    synchronized int publishedNumber(int index) {
        return publishedNumber[index];
    }

    synchronized long publishedOutcome(int index) {
        return publishedOutcome[index];
    }

    synchronized int receivedTopic(int index) {
        return receivedTopic[index];
    }

    synchronized int receivedNumber(int index) {
        return receivedNumber[index];
    }

    synchronized long receivedEpoch(int index) {
        return receivedEpoch[index];
    }

    synchronized long receivedOffset(int index) {
        return receivedOffset[index];
    }

    synchronized void removeReceived(int index) {
        int moved = receivedCount - index - 1;
        System.arraycopy(receivedTopic, index + 1, receivedTopic, index, moved);
        System.arraycopy(receivedNumber, index + 1, receivedNumber, index, moved);
        System.arraycopy(receivedEpoch, index + 1, receivedEpoch, index, moved);
        System.arraycopy(receivedOffset, index + 1, receivedOffset, index, moved);
        receivedCount--;
    }

    synchronized void insertReceived(int index, int topic, int number, long epoch, long offset) {
        if (receivedCount == receivedTopic.length) {
            int capacity = receivedCount * 2;
            receivedTopic = Arrays.copyOf(receivedTopic, capacity);
            receivedNumber = Arrays.copyOf(receivedNumber, capacity);
            receivedEpoch = Arrays.copyOf(receivedEpoch, capacity);
            receivedOffset = Arrays.copyOf(receivedOffset, capacity);
        }
        int moved = receivedCount - index;
        System.arraycopy(receivedTopic, index, receivedTopic, index + 1, moved);
        System.arraycopy(receivedNumber, index, receivedNumber, index + 1, moved);
        System.arraycopy(receivedEpoch, index, receivedEpoch, index + 1, moved);
        System.arraycopy(receivedOffset, index, receivedOffset, index + 1, moved);
        receivedTopic[index] = topic;
        receivedNumber[index] = number;
        receivedEpoch[index] = epoch;
        receivedOffset[index] = offset;
        receivedCount++;
    }
}
