package hermod.broker.engine;

import org.jspecify.annotations.Nullable;

/**
 * What an engine says when it has done what it was asked: exactly one of the two, once, on a thread of the engine's. An answer must not wait and must not throw; it mostly moves on to a shard.
 *
 * @param <T> what was asked for.
 */
public interface Answer<T extends @Nullable Object> {
    void onDone(T result);

    void onFault(EngineFault fault);
}
