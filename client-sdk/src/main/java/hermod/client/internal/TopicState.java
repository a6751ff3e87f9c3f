package hermod.client.internal;

import hermod.client.Event;
import hermod.client.EventListener;
import hermod.client.HermodException;
import hermod.client.OutgoingEvent;
import hermod.client.PublishReceipt;
import hermod.client.State;
import hermod.client.StateListener;
import hermod.client.StateValue;
import hermod.client.Subscription;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** A state topic in the application's hands: reads from the topic's table, and listens like any listener. Any thread. */
final class TopicState implements State, EventListener {
    private final String topic;
    private final Function<OutgoingEvent, CompletableFuture<PublishReceipt>> publish;
    private final CopyOnWriteArrayList<StateListener> listeners = new CopyOnWriteArrayList<>();
    private volatile StateTable table = new StateTable();
    private volatile @Nullable Subscription subscription;

    TopicState(String topic, Function<OutgoingEvent, CompletableFuture<PublishReceipt>> publish) {
        this.topic = topic;
        this.publish = publish;
    }

    /** The broker has granted it. */
    void begin(StateTable of, Subscription granted) {
        table = of;
        subscription = granted;
    }

    // ---- the application

    @Override
    public String topic() {
        return topic;
    }

    @Override
    public @Nullable StateValue get(String key) {
        return table.get(key);
    }

    @Override
    public Map<String, StateValue> snapshot() {
        return table.copy();
    }

    @Override
    public boolean isCurrent() {
        return table.isFollowed();
    }

    @Override
    public CompletableFuture<PublishReceipt> put(String key, byte[] value) {
        return publish.apply(
                OutgoingEvent.builder().key(key).payload(value).neverExpires().build());
    }

    @Override
    public CompletableFuture<PublishReceipt> put(String key, byte[] value, long expectedVersion) {
        return publish.apply(OutgoingEvent.builder()
                .key(key)
                .expectedVersion(expectedVersion)
                .payload(value)
                .neverExpires()
                .build());
    }

    @Override
    public CompletableFuture<PublishReceipt> delete(String key) {
        return publish.apply(
                OutgoingEvent.builder().key(key).deletesKey().neverExpires().build());
    }

    @Override
    public CompletableFuture<PublishReceipt> delete(String key, long expectedVersion) {
        return publish.apply(OutgoingEvent.builder()
                .key(key)
                .deletesKey()
                .expectedVersion(expectedVersion)
                .neverExpires()
                .build());
    }

    @Override
    public void addListener(StateListener listener) {
        listeners.addIfAbsent(listener);
    }

    @Override
    public void removeListener(StateListener listener) {
        listeners.remove(listener);
    }

    @Override
    public void close() {
        Subscription held = subscription;
        if (held != null) {
            held.close();
        }
    }

    // ---- the topic's mailbox

    @Override
    public void onEvent(Event event) {
        String key = event.key();
        if (key != null) {
            tell(key, event.isDeletion() ? null : new StateValue(key, event.offset(), event));
        }
    }

    /** Keys that went while nobody was told. */
    void onGone(List<String> keys) {
        keys.forEach(key -> tell(key, null));
    }

    private void tell(String key, @Nullable StateValue value) {
        for (StateListener each : listeners) {
            each.onChange(key, value);
        }
    }

    @Override
    public void onEnded(String ended, HermodException why) {
        table.onLost();
        for (StateListener each : listeners) {
            each.onEnded(ended, why);
        }
    }
}
