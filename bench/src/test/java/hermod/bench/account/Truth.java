package hermod.bench.account;

import hermod.protocol.Priority;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** What was published and accepted, by topic and offset: what the publishers know. */
final class Truth {
    /**
     * One event.
     *
     * @param number in its payload; no other event has it.
     * @param expiresAtUs {@code Long.MAX_VALUE} for never.
     * @param excludedUser whose device gets no copy; null for none.
     * @param conflationKey events of one topic with the same key replace each other where the channel conflates; null for none.
     */
    record Published(
            long number,
            Priority priority,
            long expiresAtUs,
            @Nullable String excludedUser,
            Map<String, String> attributes,
            @Nullable String conflationKey) {}

    private final Map<Integer, TreeMap<Long, Published>> topics = new HashMap<>();

    void accepted(int handle, long offset, Published event) {
        Published before =
                topics.computeIfAbsent(handle, any -> new TreeMap<>()).put(offset, event);
        if (before != null) {
            throw new AssertionError("two events got the offset " + offset + " of handle " + handle + ": "
                    + before.number + " and " + event.number);
        }
    }

    @Nullable
    Published at(int handle, long offset) {
        return topics.getOrDefault(handle, new TreeMap<>()).get(offset);
    }

    /** Whether an URGENT event has a higher offset: it takes with it what stands before it. */
    boolean isUrgentBehind(int handle, long offset) {
        return topics.getOrDefault(handle, new TreeMap<>()).tailMap(offset, false).values().stream()
                .anyMatch(each -> each.priority == Priority.URGENT);
    }

    /** The offset of the topic's last event; 0 for none. */
    long last(int handle) {
        TreeMap<Long, Published> events = topics.get(handle);
        return events == null || events.isEmpty() ? 0 : events.lastKey();
    }

    long count() {
        return topics.values().stream().mapToLong(TreeMap::size).sum();
    }

    /** The home gives offsets without a hole. */
    void checkDense() {
        topics.forEach((handle, events) -> {
            if (Objects.requireNonNull(events.lastEntry()).getKey() != events.size()) {
                throw new AssertionError("handle " + handle + " has " + events.size() + " events and a last offset of "
                        + events.lastKey());
            }
        });
    }
}
