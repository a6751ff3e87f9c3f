package hermod.broker.group;

import java.util.ArrayDeque;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** What a group has not settled of one topic, in order: what is in a member's hands, and behind it what waits. Of one {@link Ledger}. */
final class Lane {
    final long stream;
    final String topic;

    /** All of it in the hands of one member, and before all that waits. */
    final TreeMap<Long, Place> inHand = new TreeMap<>();

    final ArrayDeque<Place> waiting = new ArrayDeque<>(1);

    /** Who has what is in hand; null where nothing is. */
    @Nullable
    Hands owner;

    /** Which of the ledger's sets it is in, by its first waiting place; null where nothing waits. */
    @Nullable
    TreeSet<Lane> set;

    Lane(long stream, String topic) {
        this.stream = stream;
        this.topic = topic;
    }

    Place head() {
        return waiting.getFirst();
    }

    boolean isEmpty() {
        return inHand.isEmpty() && waiting.isEmpty();
    }
}
