package hermod.client.internal;

import hermod.client.Event;
import hermod.client.StateValue;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What is known of a state topic. Written on the loop, in the order of the topic's events; read by any thread.
 *
 * <pre>
 *   begin(end) ──events below end──▶ the next state ──PROGRESS, or an event from end on──▶ the state, all of it at once
 * </pre>
 */
final class StateTable {
    private Map<String, StateValue> values = new HashMap<>();
    private @Nullable Map<String, StateValue> next;
    private long end;
    private boolean isFollowed;
    private final List<Runnable> waiting = new ArrayList<>();

    /** The broker sends the state, which replaces what is here when it is whole. @param endOffset where changes begin. @param count of keys. @return keys that are gone, where that is at once. */
    synchronized List<String> begin(long endOffset, int count) {
        next = new HashMap<>();
        end = endOffset;
        return count == 0 ? complete() : List.of();
    }

    /** Whether the state is not whole yet, and must be asked for again if the connection ends. */
    synchronized boolean isLoading() {
        return next != null;
    }

    /** @return keys that are gone, where this ends the loading. */
    synchronized List<String> onEvent(Event event) {
        String key = event.key();
        Map<String, StateValue> loading = next;
        if (loading != null && event.offset() < end) {
            if (key != null) {
                loading.put(key, new StateValue(key, event.offset(), event));
            }
            return List.of();
        }
        List<String> gone = complete();
        if (key != null && event.isDeletion()) {
            values.remove(key);
        } else if (key != null) {
            values.put(key, new StateValue(key, event.offset(), event));
        }
        return gone;
    }

    /** Nothing up to this offset comes any more. @return keys that are gone, where this ends the loading. */
    synchronized List<String> onProgress(long offset) {
        return next != null && offset >= end - 1 ? complete() : List.of();
    }

    private List<String> complete() {
        Map<String, StateValue> loaded = next;
        if (loaded == null) {
            return List.of();
        }
        List<String> gone = new ArrayList<>(values.keySet());
        gone.removeAll(loaded.keySet());
        values = loaded;
        next = null;
        isFollowed = true;
        waiting.forEach(Runnable::run);
        waiting.clear();
        return gone;
    }

    /** Called on the loop when the state is whole; at once where it is. */
    synchronized void whenWhole(Runnable task) {
        if (next == null) {
            task.run();
        } else {
            waiting.add(task);
        }
    }

    /** Changes are missed from now on, or were, until {@link #onResumed} or the next state. */
    synchronized void onLost() {
        isFollowed = false;
    }

    synchronized void onResumed() {
        isFollowed = next == null;
    }

    synchronized boolean isFollowed() {
        return isFollowed;
    }

    synchronized @Nullable StateValue get(String key) {
        return values.get(key);
    }

    synchronized Map<String, StateValue> copy() {
        return Collections.unmodifiableMap(new HashMap<>(values));
    }
}
