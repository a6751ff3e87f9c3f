package hermod.client;

import org.jspecify.annotations.Nullable;

/** Told of changes of a state topic, one at a time, in their order, on a handler thread. */
@FunctionalInterface
public interface StateListener {
    /**
     * A key has another value now, or is gone. After a lost connection what has changed meanwhile is told once: the latest.
     *
     * @param value null for a key that is gone.
     */
    void onChange(String key, @Nullable StateValue value);

    /** The broker no longer lets the topic be followed; the state stays as it was. */
    default void onEnded(String topic, HermodException why) {}
}
