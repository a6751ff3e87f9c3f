package hermod.bench.check;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;

/**
 * The cheap check for fast loads: one topic with one publisher whose events are numbered from 0 without holes, so a bit per event and subscriber tells
 * what was lost, doubled or out of order.
 *
 * <p>Any thread: the publisher's side and each subscriber's side have a lock of their own, never held together.
 */
public final class StreamTally {
    private final String topic;
    private final Publisher publisher = new Publisher();
    private final List<Subscriber> subscribers = new ArrayList<>();

    public StreamTally(String topic, int subscriberCount) {
        this.topic = topic;
        for (int i = 0; i < subscriberCount; i++) {
            subscribers.add(new Subscriber());
        }
    }

    /** @return the number of the event that is published next. */
    public int publish() {
        synchronized (publisher) {
            return publisher.publishedCount++;
        }
    }

    public void acknowledged(int number) {
        synchronized (publisher) {
            publisher.acknowledged.set(number);
        }
    }

    public void refused(int number) {
        synchronized (publisher) {
            publisher.refused.set(number);
        }
    }

    /** @param number the number in the event's stamp, or {@link History#FOREIGN}. */
    public void received(int subscriber, int number, long offset) {
        Subscriber state = subscribers.get(subscriber);
        synchronized (state) {
            state.received(number, offset);
        }
    }

    public int publishedCount() {
        synchronized (publisher) {
            return publisher.publishedCount;
        }
    }

    /** To be called when the load has ended. */
    public Verdict check() {
        List<String> examples = new ArrayList<>();
        synchronized (publisher) {
            long published = publisher.publishedCount;
            long acknowledged = publisher.acknowledged.cardinality();
            BitSet answered = (BitSet) publisher.acknowledged.clone();
            answered.or(publisher.refused);
            long unaccounted = published - answered.cardinality();
            if (unaccounted > 0) {
                examples.add(unaccounted + " events of " + topic + " have no outcome");
            }
            Verdict sum = new Verdict(
                    published,
                    acknowledged,
                    publisher.refused.cardinality(),
                    acknowledged * subscribers.size(),
                    0,
                    0,
                    0,
                    0,
                    unaccounted,
                    0,
                    examples);
            for (int i = 0; i < subscribers.size(); i++) {
                sum = sum.plus(checkSubscriber(i, published));
            }
            return sum;
        }
    }

    private Verdict checkSubscriber(int index, long published) {
        Subscriber state = subscribers.get(index);
        synchronized (state) {
            BitSet missing = (BitSet) publisher.acknowledged.clone();
            missing.andNot(state.seen);
            BitSet unasked = (BitSet) state.seen.clone();
            unasked.and(publisher.refused);
            long beyond = state.seen.length() <= published
                    ? 0
                    : state.seen.get((int) published, state.seen.length()).cardinality();
            long phantom = state.foreign + unasked.cardinality() + beyond;
            List<String> examples = new ArrayList<>();
            if (!missing.isEmpty() || state.duplicated + state.disordered + phantom > 0) {
                examples.add(String.format(
                        Locale.ROOT,
                        "subscriber %d of %s: lost=%d (first %d), duplicated=%d, disordered=%d, phantom=%d",
                        index,
                        topic,
                        missing.cardinality(),
                        missing.nextSetBit(0),
                        state.duplicated,
                        state.disordered,
                        phantom));
            }
            return new Verdict(
                    0,
                    0,
                    0,
                    0,
                    state.delivered,
                    missing.cardinality(),
                    state.duplicated,
                    state.disordered,
                    0,
                    phantom,
                    examples);
        }
    }

    private static final class Publisher {
        private int publishedCount;
        private final BitSet acknowledged = new BitSet();
        private final BitSet refused = new BitSet();
    }

    private static final class Subscriber {
        private final BitSet seen = new BitSet();
        private int lastNumber = -1;
        private long lastOffset;
        private long delivered;
        private long duplicated;
        private long disordered;
        private long foreign;

        void received(int number, long offset) {
            delivered++;
            if (number < 0) {
                foreign++;
                return;
            }
            if (seen.get(number)) {
                duplicated++;
                return;
            }
            seen.set(number);
            if (number < lastNumber || offset <= lastOffset) {
                disordered++;
            }
            lastNumber = Math.max(lastNumber, number);
            lastOffset = Math.max(lastOffset, offset);
        }
    }
}
