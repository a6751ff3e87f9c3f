package hermod.bench.account;

import hermod.bench.account.Truth.Published;
import hermod.protocol.Priority;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * Goes through what a subscriber's connection was sent and says for each event of each subscription what became of it; anything it can't explain is an {@link AssertionError}.
 *
 * <p>The rules are those of PROTOCOL.md: offsets of a topic rise strictly; what is passed over was filtered out, left this device out, had expired, was replaced by a later event of its key where the channel conflates, or lies in a
 * GAP; what a GAP names does not come any more, or, where it is closed later, comes right behind it and before anything else of the topic; credit is above 0 before each event of LOW to HIGH, but for those that an URGENT one of their topic lifts.
 */
final class Account {
    /** What became of the events of all subscriptions of one connection. */
    record Sums(long owed, long delivered, long filtered, long excluded, long expired, long conflated, long shed) {
        Sums plus(Sums other) {
            return new Sums(
                    owed + other.owed,
                    delivered + other.delivered,
                    filtered + other.filtered,
                    excluded + other.excluded,
                    expired + other.expired,
                    conflated + other.conflated,
                    shed + other.shed);
        }

        static Sums none() {
            return new Sums(0, 0, 0, 0, 0, 0, 0);
        }
    }

    /**
     * What the subscriber is.
     *
     * @param user whose device events may leave out.
     * @param isTold whether it agreed to GAP.
     * @param hasCredit whether it agreed to CREDIT.
     * @param hasFilters whether it agreed to FILTER.
     * @param isHealing by handle: whether what a GAP names comes behind it after all, up to GAP_CLOSED.
     */
    record Subscriber(
            String user, boolean isTold, boolean hasCredit, boolean hasFilters, Predicate<Integer> isHealing) {}

    private final Truth truth;
    private final Subscriber subscriber;
    private final Map<Integer, Ledger> ledgers = new HashMap<>();
    private Sums sums = Sums.none();
    private long creditBytes;
    private boolean isClosed;

    Account(Truth truth, Subscriber subscriber) {
        this.truth = truth;
        this.subscriber = subscriber;
    }

    /**
     * @param isDrained whether the broker had all the time, room and credit it needs to send everything.
     * @param atUs when the notes end.
     */
    Sums check(List<Note> notes, boolean isDrained, long atUs) {
        for (int i = 0; i < notes.size(); i++) {
            try {
                take(notes.get(i));
            } catch (AssertionError fault) {
                throw new AssertionError(
                        fault.getMessage() + "; at note " + i + " of " + notes.size() + ": " + notes.get(i)
                                + history(notes, i),
                        fault);
            }
        }
        ledgers.values().forEach(each -> end(each, isDrained && !isClosed, atUs));
        return sums;
    }

    /** The last notes about the same topic. */
    private static String history(List<Note> notes, int last) {
        StringBuilder text = new StringBuilder();
        int left = 8;
        for (int i = last - 1; i >= 0 && left > 0; i--) {
            if (notes.get(i).handle() == notes.get(last).handle()) {
                text.append("\n  before: ").append(notes.get(i));
                left--;
            }
        }
        return text.toString();
    }

    private void take(Note note) {
        require(!isClosed, "something follows CLOSE");
        switch (note.kind()) {
            case SUBSCRIBED -> ledgers.putIfAbsent(note.handle(), new Ledger(note.handle(), note.from()));
            case UNSUBSCRIBED -> {
                Ledger ended = ledgers.remove(note.handle());
                if (ended != null) {
                    end(ended, false, note.atUs());
                }
            }
            case ENDED -> {
                Ledger ended = ledger(note);
                ended.upTo(note);
                ledgers.remove(note.handle());
                end(ended, false, note.atUs());
            }
            case FILTER -> ledger(note).filterFrom(note.from(), (int) note.to());
            case EVENT -> {
                spend(note);
                ledger(note).event(note);
            }
            case GAP -> {
                require(subscriber.isTold, "GAP without agreement");
                ledger(note).gap(note);
            }
            case GAP_CLOSED -> {
                require(subscriber.isTold, "GAP_CLOSED without agreement");
                ledger(note).gapClosed(note);
            }
            case PROGRESS -> {
                require(subscriber.hasFilters, "PROGRESS without agreement");
                ledger(note).progress(note);
            }
            case CREDIT -> creditBytes += note.from();
            case CLOSE -> isClosed = true;
        }
    }

    private void spend(Note event) {
        if (subscriber.hasCredit && event.priority() != Priority.URGENT) {
            require(
                    creditBytes > 0 || truth.isUrgentBehind(event.handle(), event.from()),
                    "an event without credit, and no URGENT one stands behind it: creditBytes=" + creditBytes);
            creditBytes -= event.bytes();
        }
    }

    private Ledger ledger(Note note) {
        Ledger found = ledgers.get(note.handle());
        if (found == null) {
            throw new AssertionError("no subscription to this handle");
        }
        return found;
    }

    private void end(Ledger ledger, boolean isDrained, long atUs) {
        try {
            sums = sums.plus(ledger.end(isDrained, atUs));
        } catch (AssertionError fault) {
            throw new AssertionError(fault.getMessage() + "; at the end of handle " + ledger.handle, fault);
        }
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }

    /** One subscription. */
    private final class Ledger {
        private record Switch(long from, int filter) {}

        final int handle;
        private final long start;
        private final List<Switch> switches = new ArrayList<>();
        private final Map<String, Long> newestByKey = new HashMap<>();
        private final Map<Long, String> replaced = new HashMap<>();

        /** Of events filtered out: by their key and how many filters were in force before theirs. */
        private final Map<String, Long> newestByKeyAndFilter = new HashMap<>();

        /** The lowest offset of which nothing is known. */
        private long next;

        /** A gap that is being closed: its last offset; 0 for none. */
        private long closingTo;

        private long closingFrom;
        private long delivered;
        private long filtered;
        private long excluded;
        private long expired;
        private long shed;

        Ledger(int handle, long start) {
            this.handle = handle;
            this.start = start;
            next = start;
        }

        void filterFrom(long offset, int filter) {
            require(offset >= next, "a switch to another filter that reaches back: next=" + next);
            switches.add(new Switch(offset, filter));
        }

        private boolean isFilteredOut(long offset, Published event) {
            boolean passes = true;
            for (Switch each : switches) {
                if (offset >= each.from) {
                    passes = each.filter < 0 || Filters.passes(each.filter, event);
                }
            }
            return !passes;
        }

        private boolean isExcluded(Published event) {
            return subscriber.user.equals(event.excludedUser());
        }

        private Published published(long offset) {
            Published found = truth.at(handle, offset);
            if (found == null) {
                throw new AssertionError("nobody published offset " + offset);
            }
            return found;
        }

        void event(Note note) {
            long offset = note.from();
            Published event = published(offset);
            require(event.number() == note.number(), "another event than the one published: " + event);
            require(event.priority() == note.priority(), "another priority than published: " + event);
            require(offset >= next, "out of order, twice, or after it was given up: next=" + next);
            require(!isExcluded(event), "sent to the device it leaves out");
            require(!isFilteredOut(offset, event), "sent though the filter does not let it pass: " + event);
            require(event.expiresAtUs() > note.atUs(), "sent though it had expired: " + event);
            require(
                    closingTo == 0 || offset <= closingTo,
                    "a later event before the gap was closed: gap to " + closingTo);
            passOver(offset - 1, note.atUs());
            delivered++;
            noteKey(offset, event);
            next = offset + 1;
        }

        private void noteKey(long offset, Published event) {
            if (event.conflationKey() != null) {
                newestByKey.put(event.conflationKey(), offset);
            }
        }

        private long switchCount(long offset) {
            return switches.stream().filter(each -> offset >= each.from).count();
        }

        /** Whether the event that replaced it, when all were wanted, fell under a filter that was set since and does not let it pass. */
        private boolean isReplacedBeyondItsFilter(long offset, String key) {
            for (long later = switchCount(offset) + 1; later <= switches.size(); later++) {
                if (newestByKeyAndFilter.containsKey(key + " " + later)) {
                    return true;
                }
            }
            return false;
        }

        /** Up to and including an offset nothing came. */
        private void passOver(long to, long atUs) {
            for (; next <= to; next++) {
                Published event = published(next);
                if (isExcluded(event)) {
                    excluded++;
                    noteKey(next, event);
                } else if (isFilteredOut(next, event)) {
                    filtered++;
                    if (event.conflationKey() != null) {
                        newestByKeyAndFilter.put(event.conflationKey() + " " + switchCount(next), next);
                    }
                } else if (event.expiresAtUs() <= atUs) {
                    expired++;
                    noteKey(next, event);
                } else if (event.conflationKey() != null) {
                    replaced.put(next, event.conflationKey());
                } else {
                    throw new AssertionError("offset " + next + " is missing and nothing was said: " + event);
                }
            }
        }

        void gap(Note note) {
            require(note.to() >= note.from(), "a gap of nothing");
            require(note.from() >= next, "a gap that reaches back: next=" + next);
            require(note.to() <= truth.last(handle), "a gap beyond the last event: last=" + truth.last(handle));
            require(closingTo == 0, "a gap in a gap that is being closed");
            passOver(note.from() - 1, note.atUs());
            if (subscriber.isHealing.test(handle)) {
                closingFrom = note.from();
                closingTo = note.to();
                return;
            }
            for (; next <= note.to(); next++) {
                Published event = published(next);
                if (isExcluded(event)) {
                    excluded++;
                } else if (isFilteredOut(next, event)) {
                    filtered++;
                } else {
                    shed++;
                    noteKey(next, event);
                }
            }
        }

        void gapClosed(Note note) {
            require(
                    closingTo != 0 && note.from() == closingFrom && note.to() == closingTo,
                    "closes a gap that was not told");
            passOver(note.to(), note.atUs());
            closingTo = 0;
        }

        /** The subscription ends at an offset: what it is owed below was sent. */
        void upTo(Note note) {
            require(note.from() >= next, "ends before what was sent: next=" + next);
            passOver(note.from() - 1, note.atUs());
        }

        void progress(Note note) {
            require(note.from() <= truth.last(handle), "progress beyond the last event: last=" + truth.last(handle));
            passOver(note.from(), note.atUs());
        }

        Sums end(boolean isDrained, long atUs) {
            if (isDrained) {
                require(closingTo == 0, "a gap was never closed: from " + closingFrom + " to " + closingTo);
                passOver(truth.last(handle), atUs);
                replaced.forEach((offset, key) -> {
                    Long by = newestByKey.get(key);
                    require(
                            (by != null && by > offset) || isReplacedBeyondItsFilter(offset, key),
                            "offset " + offset + " is missing and no later one has its key " + key);
                });
            }
            long owed = next - start;
            Sums sums = new Sums(owed, delivered, filtered, excluded, expired, replaced.size(), shed);
            require(
                    owed == delivered + filtered + excluded + expired + replaced.size() + shed,
                    "the sums do not add up: " + sums);
            return sums;
        }
    }
}
