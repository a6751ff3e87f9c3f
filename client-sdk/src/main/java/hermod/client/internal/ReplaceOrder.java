package hermod.client.internal;

import hermod.client.EventListener;
import hermod.client.Replacement;
import hermod.protocol.control.wire.Filter;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * A replacement of subscriptions that the application asked for. Given by its thread to the loop.
 *
 * @param wishes by topic, in the order of the request.
 * @param keepsOthers whether what is not named stays as it is.
 */
public record ReplaceOrder(Map<String, Wish> wishes, boolean keepsOthers, CompletableFuture<Replacement> future) {
    /**
     * @param filter null for all events.
     * @param listeners empty where the topic keeps those it has.
     */
    public record Wish(@Nullable Filter filter, List<EventListener> listeners) {}
}
