package hermod.bench.check;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * Proves from the clients' histories alone that each subscriber of a topic got every acknowledged event of it exactly once, its own included, and that
 * all of them saw one order.
 *
 * <p>Why this is a proof of one common order: the publisher's receipt ties an event to an offset; every subscriber must see the event with that very
 * offset (for an event without a receipt, with the offset the first subscriber saw), no two events of a topic may share one, and on every subscriber the
 * offsets must rise. So every subscriber's sequence is a part of the same list. Each publisher's receipts must rise in the order it published, so that
 * list keeps the order of each publisher.
 *
 * <p>Not thread-safe; made for one check after the run.
 */
public final class Checker {
    private static final int NOT_PUBLISHED = -1;

    private final List<History> histories;
    private final List<String> topics;
    private final int[] topicOf;
    private final long[] offsetOf;
    private final BitSet acknowledgedNumbers = new BitSet();
    private final BitSet refusedNumbers = new BitSet();
    private final List<String> examples = new ArrayList<>();

    private long published;
    private long refused;
    private long expected;
    private long delivered;
    private long lost;
    private long duplicated;
    private long disordered;
    private long unaccounted;
    private long phantom;

    private Checker(List<History> histories, List<String> topics) {
        this.histories = histories;
        this.topics = topics;
        int numberCount = 0;
        for (History history : histories) {
            for (int i = 0; i < history.publishedCount(); i++) {
                numberCount = Math.max(numberCount, history.publishedNumber(i) + 1);
            }
        }
        topicOf = new int[numberCount];
        Arrays.fill(topicOf, NOT_PUBLISHED);
        offsetOf = new long[numberCount];
    }

    /**
     * @param histories one per client.
     * @param topics names by topic index, for the sentences.
     * @throws IllegalArgumentException if two publishes carry the same number, which is a defect of the load.
     */
    public static Verdict check(List<History> histories, List<String> topics) {
        return new Checker(histories, topics).run();
    }

    private Verdict run() {
        for (int client = 0; client < histories.size(); client++) {
            readPublished(client);
        }
        checkNoOffsetTwice();
        long[] epochOfTopic = new long[topics.size()];
        Arrays.fill(epochOfTopic, Long.MIN_VALUE);
        for (int client = 0; client < histories.size(); client++) {
            checkReceived(client, epochOfTopic);
        }
        return new Verdict(
                published,
                acknowledgedNumbers.cardinality(),
                refused,
                expected,
                delivered,
                lost,
                duplicated,
                disordered,
                unaccounted,
                phantom,
                examples);
    }

    private void readPublished(int client) {
        History history = histories.get(client);
        long[] lastOffset = new long[topics.size()];
        for (int i = 0; i < history.publishedCount(); i++) {
            int number = history.publishedNumber(i);
            int topic = history.publishedTopic(i);
            if (topicOf[number] != NOT_PUBLISHED) {
                throw new IllegalArgumentException("number published twice: number=" + number);
            }
            topicOf[number] = topic;
            published++;
            long outcome = history.publishedOutcome(i);
            if (outcome == History.NO_OUTCOME) {
                unaccounted++;
                example("event %d of %s, published by client %d, has no outcome", number, topics.get(topic), client);
            } else if (outcome == History.REFUSED) {
                refused++;
                refusedNumbers.set(number);
            } else {
                acknowledgedNumbers.set(number);
                offsetOf[number] = outcome;
                if (outcome <= lastOffset[topic]) {
                    disordered++;
                    example(
                            "client %d published event %d of %s later and got the offset %d, not above %d",
                            client, number, topics.get(topic), outcome, lastOffset[topic]);
                }
                lastOffset[topic] = Math.max(lastOffset[topic], outcome);
            }
        }
    }

    private void checkNoOffsetTwice() {
        int[] count = new int[topics.size()];
        acknowledgedNumbers.stream().forEach(number -> count[topicOf[number]]++);
        List<long[]> offsets = new ArrayList<>();
        for (int topicCount : count) {
            offsets.add(new long[topicCount]);
        }
        acknowledgedNumbers.stream()
                .forEach(number -> offsets.get(topicOf[number])[--count[topicOf[number]]] = offsetOf[number]);
        for (int topic = 0; topic < topics.size(); topic++) {
            long[] sorted = offsets.get(topic);
            Arrays.sort(sorted);
            for (int i = 1; i < sorted.length; i++) {
                if (sorted[i] == sorted[i - 1]) {
                    disordered++;
                    example("two events of %s were acknowledged with the offset %d", topics.get(topic), sorted[i]);
                }
            }
        }
    }

    private void checkReceived(int client, long[] epochOfTopic) {
        History history = histories.get(client);
        long[] lastOffset = new long[topics.size()];
        BitSet seen = new BitSet(topicOf.length);
        for (int i = 0; i < history.receivedCount(); i++) {
            int topic = history.receivedTopic(i);
            int number = history.receivedNumber(i);
            long offset = history.receivedOffset(i);
            delivered++;
            if (isPhantom(history, topic, number)) {
                phantom++;
                example("client %d got event %d of %s, which it should not have", client, number, topics.get(topic));
                continue;
            }
            if (seen.get(number)) {
                duplicated++;
                example("client %d got event %d of %s again", client, number, topics.get(topic));
                continue;
            }
            seen.set(number);
            if (epochOfTopic[topic] == Long.MIN_VALUE) {
                epochOfTopic[topic] = history.receivedEpoch(i);
            }
            if (offsetOf[number] == 0) {
                offsetOf[number] = offset;
            }
            if (offset <= lastOffset[topic]
                    || offset != offsetOf[number]
                    || history.receivedEpoch(i) != epochOfTopic[topic]) {
                disordered++;
                example(
                        "client %d got event %d of %s at offset %d, after %d; elsewhere it has the offset %d",
                        client, number, topics.get(topic), offset, lastOffset[topic], offsetOf[number]);
            }
            lastOffset[topic] = Math.max(lastOffset[topic], offset);
        }
        countLost(client, history.subscribedTopics(), seen);
    }

    private boolean isPhantom(History history, int topic, int number) {
        return number < 0
                || number >= topicOf.length
                || topicOf[number] != topic
                || refusedNumbers.get(number)
                || !history.isSubscribed(topic);
    }

    private void countLost(int client, BitSet subscribed, BitSet seen) {
        for (int number = acknowledgedNumbers.nextSetBit(0);
                number >= 0;
                number = acknowledgedNumbers.nextSetBit(number + 1)) {
            if (!subscribed.get(topicOf[number])) {
                continue;
            }
            expected++;
            if (!seen.get(number)) {
                lost++;
                example(
                        "client %d never got event %d of %s, offset %d",
                        client, number, topics.get(topicOf[number]), offsetOf[number]);
            }
        }
    }

    private void example(String sentence, Object... values) {
        if (examples.size() < Verdict.EXAMPLES_MAX) {
            examples.add(String.format(java.util.Locale.ROOT, sentence, values));
        }
    }
}
