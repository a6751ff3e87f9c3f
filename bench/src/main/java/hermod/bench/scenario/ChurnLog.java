package hermod.bench.scenario;

import hermod.bench.check.Verdict;
import hermod.bench.scenario.ChurnRule.Attributes;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import org.jspecify.annotations.Nullable;

/** What one reader was promised and what it got, of one topic. One thread. */
final class ChurnLog {
    /** Offsets from {@code from} to below {@code to} that match the rule; {@code to} is the largest number while it lasts. */
    private record Span(long from, long to, ChurnRule rule) {}

    private final String who;
    private final List<Span> spans = new ArrayList<>();
    private final List<Long> received = new ArrayList<>();
    private int handle;
    private long announced;

    ChurnLog(String who) {
        this.who = who;
    }

    int handle() {
        return handle;
    }

    boolean isSubscribed() {
        return !spans.isEmpty() && last().to == Long.MAX_VALUE;
    }

    /** The rule in force; null when it is not subscribed. */
    @Nullable
    ChurnRule rule() {
        return isSubscribed() ? last().rule : null;
    }

    private Span last() {
        return spans.get(spans.size() - 1);
    }

    /** A REPLACED says that from this offset on the topic comes with this rule; what came before it ends there. */
    void switched(int newHandle, long from, ChurnRule rule) {
        end(from);
        handle = newHandle;
        spans.add(new Span(from, Long.MAX_VALUE, rule));
    }

    /** A REPLACED says that below this offset all has been sent and none follows. */
    void end(long to) {
        if (isSubscribed()) {
            Span open = last();
            spans.set(spans.size() - 1, new Span(open.from, to, open.rule));
        }
    }

    void event(long offset) {
        received.add(offset);
    }

    long lastOffset() {
        return received.isEmpty() ? 0 : received.get(received.size() - 1);
    }

    void gap(long from, long to) {
        announced += to - from + 1;
    }

    /** Events that GAPs announced. */
    long announced() {
        return announced;
    }

    /**
     * Compares with what was published.
     *
     * @param history by offset: all events of the topic.
     */
    Verdict check(NavigableMap<Long, Attributes> history) {
        List<Long> owed = new ArrayList<>();
        for (Span span : spans) {
            if (span.from < span.to) {
                history.subMap(span.from, span.to).forEach((offset, event) -> {
                    if (span.rule.matches(event)) {
                        owed.add(offset);
                    }
                });
            }
        }
        long lost = 0;
        long phantom = 0;
        long duplicated = 0;
        long disordered = 0;
        List<String> examples = new ArrayList<>();
        java.util.Set<Long> rest = new java.util.HashSet<>(owed);
        java.util.Set<Long> due = new java.util.HashSet<>(owed);
        long before = 0;
        for (long offset : received) {
            if (offset < before) {
                disordered++;
                examples.add(who + ": offset " + offset + " behind " + before);
            }
            before = Math.max(before, offset);
            if (!due.contains(offset)) {
                phantom++;
                examples.add(who + ": offset " + offset + " was not asked for, " + around(offset, history));
            } else if (!rest.remove(offset)) {
                duplicated++;
                examples.add(who + ": offset " + offset + " again");
            }
        }
        lost = rest.size();
        rest.stream()
                .sorted()
                .limit(3)
                .forEach(
                        offset -> examples.add(who + ": offset " + offset + " never came, " + around(offset, history)));
        return new Verdict(0, 0, 0, owed.size(), received.size(), lost, duplicated, disordered, 0, phantom, examples);
    }

    private String around(long offset, NavigableMap<Long, Attributes> history) {
        StringBuilder text = new StringBuilder(String.valueOf(history.get(offset)));
        for (Span span : spans) {
            if (offset >= span.from - 5 && (span.to == Long.MAX_VALUE || offset < span.to + 5)) {
                text.append(", ").append(span);
            }
        }
        return text.toString();
    }
}
