package hermod.client;

import hermod.client.internal.ReplaceOrder;
import hermod.protocol.TopicName;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** All that a client wants to be subscribed to, for {@link HermodClient#replaceSubscriptions}. Not thread-safe; may be used once or often. */
public final class SubscriptionSet {
    private final Map<String, ReplaceOrder.Wish> wishes = new LinkedHashMap<>();

    /** All events of the topic, for these listeners; without any, for those it has already. */
    public SubscriptionSet topic(String topic, EventListener... listeners) {
        return add(topic, null, listeners);
    }

    /** The events that match. */
    public SubscriptionSet topic(String topic, Filter filter, EventListener... listeners) {
        return add(topic, filter, listeners);
    }

    private SubscriptionSet add(String topic, @Nullable Filter filter, EventListener... listeners) {
        String name = TopicName.of(topic).toString();
        if (wishes.put(name, new ReplaceOrder.Wish(filter == null ? null : filter.message(), List.of(listeners)))
                != null) {
            throw new IllegalArgumentException("a topic is named once: " + name);
        }
        return this;
    }

    Map<String, ReplaceOrder.Wish> wishes() {
        return new LinkedHashMap<>(wishes);
    }
}
