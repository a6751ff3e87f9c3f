package hermod.broker.engine.memory;

import hermod.broker.engine.Answer;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.KeyedState;
import hermod.broker.shard.ShardClock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Spaces as sorted maps, all the engine's thread's. */
final class MemoryKeyedState implements KeyedState {
    private final Executor thread;
    private final Map<String, NavigableMap<byte[], Value>> spaces = new HashMap<>();
    private long lastVersion;

    MemoryKeyedState(Executor thread) {
        this.thread = thread;
    }

    private NavigableMap<byte[], Value> space(String name) {
        return spaces.computeIfAbsent(name, any -> new TreeMap<>(Arrays::compareUnsigned));
    }

    private <T extends @Nullable Object> void ask(Answer<T> answer, Supplier<T> work) {
        try {
            thread.execute(() -> answer.onDone(work.get()));
        } catch (RejectedExecutionException closed) {
            answer.onFault(EngineFault.CLOSED);
        }
    }

    private static boolean isOver(Value value) {
        return value.expiresAtUs() <= ShardClock.wallUs();
    }

    private @Nullable Value find(String space, byte[] key) {
        Value value = space(space).get(key);
        return value == null || isOver(value) ? null : value;
    }

    @Override
    public void get(String space, byte[] key, Answer<@Nullable Value> answer) {
        ask(answer, () -> find(space, key));
    }

    @Override
    public void put(
            String space,
            byte[] key,
            long expectedVersion,
            byte @Nullable [] value,
            long expiresAtUs,
            Answer<Outcome> answer) {
        ask(answer, () -> {
            Value before = find(space, key);
            long version = before == null ? NO_VERSION : before.version();
            if (expectedVersion != ANY_VERSION && expectedVersion != version) {
                return new Outcome(false, version);
            }
            lastVersion++;
            if (value == null) {
                space(space).remove(key);
            } else {
                space(space).put(key, new Value(key, value, lastVersion, expiresAtUs));
            }
            return new Outcome(true, lastVersion);
        });
    }

    @Override
    public void scan(String space, byte[] from, byte @Nullable [] end, int countMax, Answer<List<Value>> answer) {
        ask(answer, () -> {
            List<Value> found = new ArrayList<>();
            for (Value value : space(space).tailMap(from, true).values()) {
                if (found.size() == countMax || (end != null && Arrays.compareUnsigned(value.key(), end) >= 0)) {
                    break;
                }
                if (!isOver(value)) {
                    found.add(value);
                }
            }
            return found;
        });
    }
}
