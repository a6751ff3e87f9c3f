package hermod.broker.engine.memory;

import hermod.broker.engine.Answer;
import hermod.broker.engine.ChannelLog;
import hermod.broker.engine.EngineFault;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Channels' logs as lists of places, all the engine's thread's. */
final class MemoryChannelLog implements ChannelLog {
    private record Name(String org, String channel) {}

    private record Place(long stream, long offset) {}

    private static final class Log {
        final long number;
        final List<Place> places = new ArrayList<>();

        /** What came in since the beginning: an entry that is appended again gets no second place. */
        final Set<Place> known = new HashSet<>();

        boolean isBegun;
        long firstPosition = 1;

        Log(long number) {
            this.number = number;
        }

        long nextPosition() {
            return firstPosition + places.size();
        }

        Begun begun() {
            return new Begun(number, firstPosition, nextPosition());
        }

        void removeBelow(long below) {
            if (below > firstPosition) {
                int count = (int) Math.min(below - firstPosition, places.size());
                places.subList(0, count).clear();
                firstPosition += count;
            }
        }
    }

    /** What the other log knows. */
    interface Entries {
        String topic(long stream);

        int epoch(long stream);

        /** Null where it was removed. */
        byte @Nullable [] entry(long stream, long offset);
    }

    private final Executor thread;
    private final Map<Name, Log> byName = new HashMap<>();
    private final Map<Long, Log> byNumber = new HashMap<>();
    private final Set<Log> grown = new HashSet<>();
    private final Entries entries;
    private volatile @Nullable Listener listener;

    MemoryChannelLog(Executor thread, Entries entries) {
        this.thread = thread;
        this.entries = entries;
    }

    /** An entry was stored, perhaps once more. */
    void onEntry(String org, String topic, long stream, long offset) {
        if (byName.isEmpty()) {
            return;
        }
        String channel = ChannelLog.channelOf(topic);
        Log log = channel == null ? null : byName.get(new Name(org, channel));
        Place place = new Place(stream, offset);
        if (log != null && log.isBegun && log.known.add(place)) {
            log.places.add(place);
            grown.add(log);
        }
    }

    /** The append was completed. */
    void tellGrown() {
        Listener told = listener;
        if (told != null) {
            grown.forEach(log -> told.onGrown(log.number, log.nextPosition()));
        }
        grown.clear();
    }

    private <T extends @Nullable Object> void ask(Answer<T> answer, Supplier<T> work) {
        try {
            thread.execute(() -> answer.onDone(work.get()));
        } catch (RejectedExecutionException closed) {
            answer.onFault(EngineFault.CLOSED);
        }
    }

    @Override
    public void begin(String org, String channel, Answer<Begun> answer) {
        ask(answer, () -> {
            Log log = byName.computeIfAbsent(new Name(org, channel), any -> new Log(byName.size() + 1L));
            byNumber.put(log.number, log);
            log.isBegun = true;
            return log.begun();
        });
    }

    @Override
    public void find(String org, String channel, Answer<@Nullable Begun> answer) {
        this.<@Nullable Begun>ask(answer, () -> {
            Log log = byName.get(new Name(org, channel));
            return log == null || !log.isBegun ? null : log.begun();
        });
    }

    @Override
    public void read(long channel, long from, int countMax, int bytesMax, Answer<Page> answer) {
        ask(answer, () -> {
            Log log = byNumber.get(channel);
            return log == null ? new Page(List.of(), 1, 1, true) : read(log, from, countMax, bytesMax);
        });
    }

    private Page read(Log log, long from, int countMax, int bytesMax) {
        List<Item> items = new ArrayList<>();
        long bytes = 0;
        long next = log.nextPosition();
        long position = Math.max(from, log.firstPosition);
        while (position < next && items.size() < countMax) {
            Place place = log.places.get((int) (position - log.firstPosition));
            byte[] entry = entries.entry(place.stream(), place.offset());
            bytes += entry == null ? 0 : entry.length;
            if (!items.isEmpty() && bytes > bytesMax) {
                break;
            }
            items.add(new Item(
                    position, place.stream(), entries.topic(place.stream()), entries.epoch(place.stream()), entry));
            position++;
        }
        return new Page(items, log.firstPosition, next, position >= next);
    }

    @Override
    public void release(long channel, long below) {
        try {
            thread.execute(() -> {
                Log log = byNumber.get(channel);
                if (log != null) {
                    log.removeBelow(below);
                }
            });
        } catch (RejectedExecutionException closed) {
            // nobody reads any more
        }
    }

    @Override
    public void end(long channel, Answer<Boolean> answer) {
        ask(answer, () -> {
            Log log = byNumber.get(channel);
            if (log == null || !log.isBegun) {
                return false;
            }
            log.isBegun = false;
            log.removeBelow(log.nextPosition());
            log.known.clear();
            return true;
        });
    }

    @Override
    public void listener(Listener told) {
        listener = told;
    }
}
