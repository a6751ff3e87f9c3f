package hermod.bench.crash;

import hermod.bench.crash.ClientLog.Kind;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Proves from the clients' logs, and from nothing the broker says of itself, what a durable channel promises. The last log is the <em>final reader's</em>: after the last
 * crash it read every topic from its first offset. What it read is what is stored.
 *
 * <ul>
 *   <li>Every acknowledged event is stored, at the offset of its receipt.
 *   <li>Every stored event was delivered to each follower whose cursor passed it; so was every event above the cursor, to those that followed to the end.
 *   <li>Whatever was delivered is stored.
 *   <li>Offsets rise strictly for each follower and topic, with each publisher's own order; an offset names one event, over restarts too; the epoch stays.
 *   <li>Nothing comes twice to an application, nor twice on the wire behind one cursor, nor is stored twice.
 *   <li>Every publish has an outcome, and nothing is read that was never published.
 * </ul>
 *
 * <p>One thread, once; the logs must be at rest.
 */
final class CrashChecker {
    private static final int EXAMPLES_OF_A_SORT = 4;
    private static final int SIGHTINGS_MAX = 8;

    private enum Sort {
        LOST,
        DUPLICATED,
        DISORDERED,
        PHANTOM,
        OFFSET_REUSED,
        EPOCH_CHANGED,
        ANNOUNCED,
        UNACCOUNTED
    }

    /** What became of one published event. */
    private static final class Fate {
        final int topic;
        Kind outcome = Kind.PUBLISHED;
        long offset;
        int epoch;
        boolean isStored;
        boolean isToldVanished;

        Fate(int topic) {
            this.topic = topic;
        }
    }

    private record Stored(int epoch, long offset, long key) {}

    private record Missed(int epoch, long from, long to) {
        boolean has(Stored event) {
            return epoch == event.epoch() && from <= event.offset() && event.offset() <= to;
        }
    }

    /** One follower's unbroken hold on a topic: all above {@code from} is awaited. */
    private static final class Stretch {
        final int epoch;
        final long from;
        long last;
        int lastEpoch;
        final Set<Long> keys = new HashSet<>();
        final Map<Integer, Integer> newestNumbers = new HashMap<>();
        final List<Missed> missed = new ArrayList<>();

        Stretch(int epoch, long from) {
            this.epoch = epoch;
            this.from = from;
            lastEpoch = epoch;
            last = from;
        }
    }

    private final List<ClientLog> clients;
    private final ClientLog finalReader;
    private final List<String> topics;
    private final Map<Long, Fate> fates = new HashMap<>();
    private final List<List<Stored>> stored = new ArrayList<>();
    private final List<Set<Integer>> epochs = new ArrayList<>();
    private final List<Map<Integer, Map<Long, Long>>> places = new ArrayList<>();
    private final Set<List<Long>> reused = new HashSet<>();
    private final EnumMap<Sort, Long> counts = new EnumMap<>(Sort.class);
    private final EnumMap<Sort, List<String>> examples = new EnumMap<>(Sort.class);
    private long published;
    private long acknowledged;
    private long refused;
    private long expected;
    private long delivered;

    private CrashChecker(List<ClientLog> clients, ClientLog finalReader, List<String> topics) {
        this.clients = clients;
        this.finalReader = finalReader;
        this.topics = topics;
        for (int i = 0; i < topics.size(); i++) {
            stored.add(new ArrayList<>());
            epochs.add(new HashSet<>());
            places.add(new HashMap<>());
        }
    }

    /**
     * @param clients publishers and followers.
     * @param finalReader what was read at the end.
     * @param topics their names by index, for the examples.
     */
    static CrashVerdict check(List<ClientLog> clients, ClientLog finalReader, List<String> topics) {
        return new CrashChecker(clients, finalReader, topics).check();
    }

    private CrashVerdict check() {
        clients.forEach(this::readOutcomes);
        readStored();
        clients.forEach(this::checkPublisher);
        clients.forEach(this::checkFollower);
        checkReader();
        for (int topic = 0; topic < topics.size(); topic++) {
            int count = epochs.get(topic).size();
            if (count > 1) {
                addUnnamed(Sort.EPOCH_CHANGED, count - 1, topics.get(topic) + " had " + count + " epochs");
            }
        }
        List<String> told = new ArrayList<>();
        examples.values().forEach(told::addAll);
        return new CrashVerdict(
                published,
                acknowledged,
                refused,
                expected,
                delivered,
                count(Sort.LOST),
                count(Sort.DUPLICATED),
                count(Sort.DISORDERED),
                count(Sort.PHANTOM),
                count(Sort.OFFSET_REUSED),
                count(Sort.EPOCH_CHANGED),
                count(Sort.ANNOUNCED),
                count(Sort.UNACCOUNTED),
                told);
    }

    // ---- publishers

    private void readOutcomes(ClientLog log) {
        for (int i = 0; i < log.count(); i++) {
            Kind kind = log.kind(i);
            int topic = log.topic(i);
            switch (kind) {
                case PUBLISHED -> {
                    published++;
                    fates.put(log.key(i), new Fate(topic));
                }
                case ACCEPTED, REFUSED, UNKNOWN -> {
                    Fate fate = fates.get(log.key(i));
                    if (fate == null) {
                        addUnnamed(Sort.PHANTOM, 1, log.name() + " got an outcome of an event it never published");
                    } else {
                        fate.outcome = kind;
                        fate.offset = log.offset(i);
                        fate.epoch = log.epoch(i);
                        if (kind == Kind.ACCEPTED) {
                            acknowledged++;
                            note(log, topic, log.epoch(i), log.offset(i), log.key(i));
                        } else {
                            refused++;
                        }
                    }
                }
                default -> {}
            }
        }
    }

    /** Acknowledged is stored, where the receipt says, and receipts rise in the order published. */
    private void checkPublisher(ClientLog log) {
        Map<Integer, Fate> last = new HashMap<>();
        for (int i = 0; i < log.count(); i++) {
            if (log.kind(i) != Kind.PUBLISHED) {
                continue;
            }
            long key = log.key(i);
            Fate fate = fates.get(key);
            if (fate == null) {
                continue;
            }
            if (fate.outcome == Kind.PUBLISHED) {
                add(Sort.UNACCOUNTED, key, "has no outcome");
            }
            if (fate.outcome != Kind.ACCEPTED) {
                continue;
            }
            expected++;
            if (!fate.isStored) {
                add(Sort.LOST, key, "was acknowledged and is not there at the end");
            }
            Fate before = last.put(fate.topic, fate);
            if (before != null && before.epoch == fate.epoch && before.offset >= fate.offset) {
                add(
                        Sort.DISORDERED,
                        key,
                        "was acknowledged at or below the offset " + before.offset
                                + " of what its publisher sent before");
            }
        }
    }

    // ---- what is stored

    private void readStored() {
        for (int i = 0; i < finalReader.count(); i++) {
            if (finalReader.kind(i) == Kind.EVENT) {
                delivered++;
                int topic = finalReader.topic(i);
                Stored event = new Stored(finalReader.epoch(i), finalReader.offset(i), finalReader.key(i));
                note(finalReader, topic, event.epoch(), event.offset(), event.key());
                Fate fate = known(finalReader, topic, event.key());
                if (fate == null) {
                    continue;
                }
                stored.get(topic).add(event);
                if (fate.isStored) {
                    continue; // told by the check of the reader
                }
                fate.isStored = true;
                if (fate.outcome == Kind.ACCEPTED && fate.epoch == event.epoch() && fate.offset != event.offset()) {
                    add(Sort.DISORDERED, event.key(), "was acknowledged at another offset than it has");
                }
            }
        }
    }

    /** The reader is a follower too: each event once, in order. */
    private void checkReader() {
        Map<Integer, Stretch> stretches = new HashMap<>();
        for (int i = 0; i < finalReader.count(); i++) {
            int topic = finalReader.topic(i);
            switch (finalReader.kind(i)) {
                case FOLLOWS -> stretches.put(topic, new Stretch(finalReader.epoch(i), finalReader.offset(i)));
                case EVENT -> checkStep(finalReader, i, stretches.computeIfAbsent(topic, any -> new Stretch(0, 0)));
                default -> {}
            }
        }
    }

    // ---- followers

    private void checkFollower(ClientLog log) {
        Map<Integer, Stretch> open = new HashMap<>();
        for (int i = 0; i < log.count(); i++) {
            int topic = log.topic(i);
            Stretch stretch = open.get(topic);
            switch (log.kind(i)) {
                case FOLLOWS -> {
                    if (stretch != null) {
                        close(log, topic, stretch, stretch.last);
                    }
                    noteEpoch(topic, log.epoch(i));
                    open.put(topic, new Stretch(log.epoch(i), log.offset(i)));
                }
                case LEFT -> {
                    if (stretch != null) {
                        close(log, topic, stretch, log.offset(i));
                        open.remove(topic);
                    }
                }
                case MISSED -> {
                    if (stretch != null) {
                        stretch.missed.add(new Missed(log.epoch(i), log.key(i), log.offset(i)));
                    }
                }
                case EVENT -> {
                    delivered++;
                    note(log, topic, log.epoch(i), log.offset(i), log.key(i));
                    Fate fate = known(log, topic, log.key(i));
                    if (fate == null) {
                        continue;
                    }
                    if (!fate.isStored && fate.outcome != Kind.ACCEPTED && !fate.isToldVanished) {
                        fate.isToldVanished = true;
                        add(Sort.LOST, log.key(i), "was delivered and is not there at the end");
                    }
                    if (stretch == null) {
                        add(Sort.PHANTOM, log.key(i), "came to " + log.name() + ", which does not follow its topic");
                    } else {
                        checkStep(log, i, stretch);
                    }
                }
                default -> {}
            }
        }
        open.forEach((topic, stretch) -> close(log, topic, stretch, Long.MAX_VALUE));
    }

    /** One event more behind those before it. */
    private void checkStep(ClientLog log, int index, Stretch stretch) {
        long key = log.key(index);
        if (key == ClientLog.FOREIGN) {
            return;
        }
        long offset = log.offset(index);
        int epoch = log.epoch(index);
        boolean isSameEpoch = stretch.lastEpoch == epoch || stretch.lastEpoch == 0;
        if (!stretch.keys.add(key)) {
            add(Sort.DUPLICATED, key, "came to " + log.name() + " again, at offset " + offset);
            return;
        }
        if (isSameEpoch && offset <= stretch.last) {
            add(
                    Sort.DISORDERED,
                    key,
                    "came to " + log.name() + " at offset " + offset + ", behind offset " + stretch.last);
        }
        Integer before = stretch.newestNumbers.put(ClientLog.publisherOf(key), ClientLog.numberOf(key));
        if (before != null && before > ClientLog.numberOf(key)) {
            add(Sort.DISORDERED, key, "came to " + log.name() + " behind number " + before + " of the same publisher");
        }
        stretch.last = isSameEpoch ? Math.max(stretch.last, offset) : offset;
        stretch.lastEpoch = epoch;
    }

    /** @param to the follower claims to have all up to here. */
    private void close(ClientLog log, int topic, Stretch stretch, long to) {
        for (Stored event : stored.get(topic)) {
            if ((stretch.epoch != 0 && stretch.epoch != event.epoch())
                    || event.offset() <= stretch.from
                    || event.offset() > to) {
                continue;
            }
            expected++;
            if (stretch.keys.contains(event.key())) {
                continue;
            }
            boolean isAnnounced = stretch.missed.stream().anyMatch(missed -> missed.has(event));
            add(
                    isAnnounced ? Sort.ANNOUNCED : Sort.LOST,
                    event.key(),
                    isAnnounced
                            ? "is there, and " + log.name() + " was told that it is not coming"
                            : "never came to " + log.name() + ", which followed from above offset " + stretch.from);
        }
    }

    // ---- both

    private @Nullable Fate known(ClientLog log, int topic, long key) {
        Fate fate = fates.get(key);
        if (key == ClientLog.FOREIGN || fate == null) {
            addUnnamed(
                    Sort.PHANTOM, 1, log.name() + " got an event on " + topics.get(topic) + " that nobody published");
            return null;
        }
        if (fate.topic != topic) {
            add(Sort.PHANTOM, key, "came to " + log.name() + " on " + topics.get(topic));
            return null;
        }
        if (fate.outcome == Kind.REFUSED) {
            add(Sort.PHANTOM, key, "came to " + log.name() + " though it was refused");
        }
        return fate;
    }

    /** Somebody says that this event has this place. */
    private void note(ClientLog log, int topic, int epoch, long offset, long key) {
        noteEpoch(topic, epoch);
        Long other =
                places.get(topic).computeIfAbsent(epoch, any -> new HashMap<>()).putIfAbsent(offset, key);
        if (other != null && other != key && reused.add(List.of((long) topic, (long) epoch, offset, key))) {
            add(
                    Sort.OFFSET_REUSED,
                    key,
                    "has offset " + offset + " by " + log.name() + ", which " + name(other) + " has too");
        }
    }

    private void noteEpoch(int topic, int epoch) {
        if (epoch != 0) {
            epochs.get(topic).add(epoch);
        }
    }

    // ---- telling

    private long count(Sort sort) {
        return counts.getOrDefault(sort, 0L);
    }

    private void add(Sort sort, long key, String what) {
        if (tell(sort, 1)) {
            examples.computeIfAbsent(sort, any -> new ArrayList<>())
                    .add(sort + ": " + name(key) + " " + what + "; " + history(key));
        }
    }

    private void addUnnamed(Sort sort, int times, String what) {
        if (tell(sort, times)) {
            examples.computeIfAbsent(sort, any -> new ArrayList<>()).add(sort + ": " + what);
        }
    }

    private boolean tell(Sort sort, int times) {
        counts.merge(sort, (long) times, Long::sum);
        return examples.getOrDefault(sort, List.of()).size() < EXAMPLES_OF_A_SORT;
    }

    private static String name(long key) {
        return String.format(
                Locale.ROOT, "event %d of publisher %d", ClientLog.numberOf(key), ClientLog.publisherOf(key));
    }

    /** All that the clients know of an event, the first sightings only. */
    private String history(long key) {
        List<String> sightings = new ArrayList<>();
        List<ClientLog> all = new ArrayList<>(clients);
        all.add(finalReader);
        for (ClientLog log : all) {
            for (int i = 0; i < log.count() && sightings.size() < SIGHTINGS_MAX; i++) {
                Kind kind = log.kind(i);
                if (log.key(i) != key || kind == Kind.FOLLOWS || kind == Kind.MISSED || kind == Kind.LEFT) {
                    continue;
                }
                String where = switch (kind) {
                    case ACCEPTED, EVENT -> " epoch " + Integer.toHexString(log.epoch(i)) + " offset " + log.offset(i);
                    case REFUSED, UNKNOWN -> " code " + log.offset(i);
                    default -> " to " + topics.get(log.topic(i));
                };
                sightings.add(log.atMs(i) + " ms " + log.name() + " " + kind + where);
            }
        }
        return sightings.isEmpty() ? "no client knows more" : String.join(", ", sightings);
    }
}
