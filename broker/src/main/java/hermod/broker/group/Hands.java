package hermod.broker.group;

import java.util.Comparator;
import java.util.TreeMap;
import java.util.TreeSet;

/** What one member of a group has fetched and not settled. Of one {@link Ledger}. */
final class Hands {
    final TreeMap<Long, Place> places = new TreeMap<>();

    /** Topics of which something is in these hands and the next may follow. */
    final TreeSet<Lane> ready = new TreeSet<>(Comparator.comparingLong((Lane lane) -> lane.head().position));

    /** Of the places. */
    long bytes;
}
