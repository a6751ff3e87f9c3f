package hermod.bench.load;

import hermod.client.ClientRuntime;
import hermod.client.EventListener;
import hermod.client.HermodClient;
import hermod.client.HermodException;
import hermod.client.OutgoingEvent;
import hermod.client.PublishReceipt;
import hermod.client.Subscription;
import hermod.protocol.EventType;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/** One simulated user: a client of the SDK as an application would use it. Any thread. */
public final class LoadClient implements AutoCloseable {
    private static final int FIRST_CLOSE_CODE = 3000;

    private final HermodClient client;

    LoadClient(String server, String token, String deviceId, ClientRuntime runtime) {
        HermodClient.Builder builder =
                HermodClient.builder().server(server).deviceId(deviceId).runtime(runtime);
        if (!token.isEmpty()) {
            builder.token(token);
        }
        client = builder.build();
    }

    CompletableFuture<?> connect() {
        return client.connect();
    }

    /** @return completes when the broker has granted it. */
    public CompletableFuture<Subscription> subscribe(String topic, EventListener listener) {
        return client.subscribe(topic, listener);
    }

    /**
     * Publishes without waiting.
     *
     * @param intendedWallUs when the event was meant to be sent, on this machine's clock.
     */
    public CompletableFuture<PublishReceipt> publish(
            String topic, byte[] payload, long intendedWallUs, @Nullable EventType type) {
        OutgoingEvent.Builder event =
                OutgoingEvent.builder().payload(payload).withoutEventId().intendedAtUs(intendedWallUs);
        if (type != null) {
            event.type(type);
        }
        try {
            return client.publish(topic, event.build());
        } catch (HermodException refusedAtOnce) {
            return CompletableFuture.failedFuture(refusedAtOnce);
        }
    }

    /** Publishes an event with attributes, without waiting. */
    public CompletableFuture<PublishReceipt> publish(String topic, byte[] payload, Map<String, String> attributes) {
        OutgoingEvent.Builder event = OutgoingEvent.builder().payload(payload).withoutEventId();
        attributes.forEach(event::attribute);
        try {
            return client.publish(topic, event.build());
        } catch (HermodException refusedAtOnce) {
            return CompletableFuture.failedFuture(refusedAtOnce);
        }
    }

    /** Whether a failed publish is known to be in no log: refused by the broker, or never sent. Otherwise its outcome is unknown. */
    public static boolean isRefusal(Throwable fault) {
        Throwable cause = fault instanceof CompletionException && fault.getCause() != null ? fault.getCause() : fault;
        return cause instanceof HermodException why
                && (why.code() < FIRST_CLOSE_CODE || why.code() == HermodException.NOT_CONNECTED);
    }

    @Override
    public void close() {
        client.close();
    }
}
