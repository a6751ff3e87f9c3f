package hermod.bench.crash;

import hermod.client.Event;
import hermod.client.EventListener;
import hermod.client.Gap;
import hermod.client.HermodClient;
import hermod.client.HermodException;
import hermod.client.Subscription;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLongArray;

/** A follower behind the SDK, which resumes by itself: each event must reach the listener once, whatever happens to connections. */
final class SdkFollower implements Follower {
    private final ClientLog log;
    private final HermodClient client;
    private final CompletableFuture<Void> following;
    private final AtomicLongArray cursors;
    private final ConcurrentLinkedQueue<String> troubles = new ConcurrentLinkedQueue<>();

    SdkFollower(RunPlan plan, String device) {
        log = plan.log(device, true);
        client = SdkPublisher.client(plan, device);
        int topics = plan.topics().size();
        cursors = new AtomicLongArray(topics);
        List<CompletableFuture<Subscription>> subscriptions = new ArrayList<>();
        for (int topic = 0; topic < topics; topic++) {
            // Nothing is published before all follow, so all that ever comes is owed.
            log.follows(topic, 0, 0);
            subscriptions.add(client.subscribe(plan.topics().get(topic), new Listener(plan, topic)));
        }
        client.connect();
        following = CompletableFuture.allOf(subscriptions.toArray(CompletableFuture[]::new));
    }

    @Override
    public boolean isFollowing() {
        return following.isDone() && !following.isCompletedExceptionally();
    }

    @Override
    public long cursor(int topic) {
        return cursors.get(topic);
    }

    @Override
    public ClientLog log() {
        return log;
    }

    @Override
    public List<String> troubles() {
        return List.copyOf(troubles);
    }

    @Override
    public void close() {
        client.close();
    }

    private final class Listener implements EventListener {
        private final RunPlan plan;
        private final int topic;

        Listener(RunPlan plan, int topic) {
            this.plan = plan;
            this.topic = topic;
        }

        @Override
        public void onEvent(Event event) {
            log.event(topic, CrashPayload.keyOf(plan.runId(), event.payloadBuffer()), event.offset(), event.epoch());
            cursors.set(topic, event.offset());
        }

        @Override
        public void onGap(Gap gap) {
            if (!gap.isFillComing()) {
                long to = gap.toOffset() == UNKNOWN_OFFSET ? ClientLog.NO_END : gap.toOffset();
                log.missed(topic, gap.fromOffset(), to, gap.epoch());
            }
        }

        @Override
        public void onEnded(String name, HermodException why) {
            troubles.add(log.name() + " no longer follows " + name + ": " + why.getMessage());
        }
    }
}
