package hermod.bench.crash;

import hermod.client.HermodClient;
import hermod.client.HermodException;
import hermod.client.OutgoingEvent;
import hermod.client.PublishReceipt;
import hermod.client.ReconnectPolicy;
import java.time.Duration;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** A publisher behind the SDK, which reconnects and sends again by itself. */
final class SdkPublisher implements LoadPublisher {
    private static final int UNANSWERED_MAX = 400;

    /** Comes back at once, and never gives up: the broker is never away for long. */
    static final ReconnectPolicy RECONNECT =
            new ReconnectPolicy(Duration.ofMillis(50), Duration.ofMillis(200), Integer.MAX_VALUE, 0);

    private final RunPlan plan;
    private final int publisher;
    private final ClientLog log;
    private final HermodClient client;
    private final int[] lastNumbers;
    private final AtomicInteger unanswered = new AtomicInteger();

    SdkPublisher(RunPlan plan, int publisher) {
        this.plan = plan;
        this.publisher = publisher;
        String device = "sdk-publisher-" + publisher;
        log = plan.log(device, true);
        lastNumbers = new int[plan.topics().size()];
        client = client(plan, device);
        client.connect();
    }

    static HermodClient client(RunPlan plan, String device) {
        return HermodClient.builder()
                .server("127.0.0.1:" + plan.port())
                .token(plan.token())
                .deviceId(device)
                .reconnect(RECONNECT)
                .build();
    }

    @Override
    public boolean publish(int topic, int count, int payloadBytes) {
        if (unanswered.get() + count > UNANSWERED_MAX) {
            return false;
        }
        for (int i = 0; i < count; i++) {
            long key = ClientLog.key(
                    publisher, ++lastNumbers[topic] * plan.topics().size() + topic);
            log.published(topic, key);
            unanswered.incrementAndGet();
            client.publish(plan.topics().get(topic), OutgoingEvent.of(CrashPayload.of(plan.runId(), key, payloadBytes)))
                    .whenComplete((receipt, fault) -> {
                        note(topic, key, receipt, fault);
                        unanswered.decrementAndGet();
                    });
        }
        return true;
    }

    private void note(int topic, long key, @Nullable PublishReceipt receipt, @Nullable Throwable fault) {
        if (receipt != null) {
            log.accepted(topic, key, receipt.offset(), receipt.epoch());
        } else {
            Throwable cause =
                    fault instanceof CompletionException && fault.getCause() != null ? fault.getCause() : fault;
            // How often the client had sent it is not known here, so it may have been stored.
            log.unknown(topic, key, cause instanceof HermodException why ? why.code() : -1);
        }
    }

    @Override
    public int unanswered() {
        return unanswered.get();
    }

    @Override
    public ClientLog log() {
        return log;
    }

    @Override
    public void close() {
        client.close();
    }
}
