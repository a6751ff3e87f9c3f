package hermod.broker.topic;

import hermod.broker.metrics.ChannelGauge;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.Priority;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Adaptive batching on a home shard: which topics wait, and until when.
 *
 * <p>One window for each organization and channel that batches adaptively ({@link Batching#ADAPTIVE}). Events of LOW wait for its end; any event above goes at once and takes along what waits of its topic before it. There are at most as many
 * windows as pairs of organization and channel had events lately; one that was quiet for 10 s is forgotten.
 */
@RunsOn(Owner.SHARD)
public final class BatchWindows {
    /** Windows that end so close together are handed over together, so that the timer fires at most once in it. */
    private static final long SLACK_NS = TimeUnit.MILLISECONDS.toNanos(1);

    private static final long QUIET_NS = TimeUnit.SECONDS.toNanos(10);

    private record Key(String org, int channel) {}

    /** Takes the topics whose wait is over. */
    public interface Sink {
        void onWindowEnd(TopicLog log);
    }

    private final BatchingConfig config;
    private final ShardMetrics metrics;
    private final LongConsumer timer;
    private final Map<Key, BatchWindow> byKey = new HashMap<>();
    private final PriorityQueue<BatchWindow> open =
            new PriorityQueue<>((one, other) -> Long.signum(one.endNs() - other.endNs()));

    /** Widest window of each channel, filled anew on each tick. */
    private final long[] widthUs;

    /** @param timer called with the monotonic time at which {@link #expire} is to be called, again with each one that is earlier. */
    public BatchWindows(BatchingConfig config, int channelCount, ShardMetrics metrics, LongConsumer timer) {
        this.config = config;
        this.metrics = metrics;
        this.timer = timer;
        widthUs = new long[channelCount];
    }

    /** Windows kept now. */
    int count() {
        return byKey.size();
    }

    /**
     * Decides on an event that was just appended.
     *
     * @param bytes of the event as published.
     * @return whether its topic waits for the end of a window; otherwise it is to be handed over in this turn.
     */
    public boolean waits(TopicLog log, Priority priority, int bytes, long nowNs) {
        BatchedTopic topic = log.batched();
        if (topic == null) {
            return false;
        }
        BatchWindow window = topic.window;
        if (window == null || window.isRetired()) {
            window = windowOf(log.topic());
            topic.window = window;
        }
        if (!window.isOpen()) {
            if (priority != Priority.LOW) {
                return false;
            }
            open(window, nowNs);
            window.note(bytes);
            return false;
        }
        window.note(bytes);
        if (priority != Priority.LOW) {
            return false;
        }
        if (!topic.isWaiting) {
            topic.isWaiting = true;
            window.waiting.add(topic);
        }
        return true;
    }

    private BatchWindow windowOf(Topic topic) {
        return byKey.computeIfAbsent(
                new Key(topic.org(), topic.channel().index()),
                key -> new BatchWindow(topic.org(), topic.channel(), config));
    }

    private void open(BatchWindow window, long nowNs) {
        window.open(nowNs);
        open.add(window);
        timer.accept(window.endNs());
    }

    /** Hands on the topics of all windows that have ended. */
    public void expire(long nowNs, Sink sink) {
        while (true) {
            BatchWindow window = open.peek();
            if (window == null) {
                return;
            }
            if (window.endNs() - nowNs > SLACK_NS) {
                timer.accept(window.endNs());
                return;
            }
            open.remove();
            end(window, nowNs, sink);
        }
    }

    private void end(BatchWindow window, long nowNs, Sink sink) {
        boolean isQuiet = window.waiting.isEmpty();
        window.end(nowNs);
        handOn(window, sink);
        if (!isQuiet) {
            open(window, nowNs);
        }
    }

    private static void handOn(BatchWindow window, Sink sink) {
        for (int i = 0; i < window.waiting.size(); i++) {
            BatchedTopic topic = window.waiting.get(i);
            topic.isWaiting = false;
            sink.onWindowEnd(topic.log);
        }
        window.waiting.clear();
    }

    /** Whether a window is open: events may wait in it. */
    public boolean isOpen() {
        return !open.isEmpty();
    }

    /** Ends all windows at once: the broker is stopping. */
    public void endAll(long nowNs, Sink sink) {
        BatchWindow window;
        while ((window = open.poll()) != null) {
            window.end(nowNs);
            handOn(window, sink);
        }
    }

    /** On the shard's tick: forgets windows that are quiet and shows the others' widths. */
    public void onTick(long nowNs) {
        Arrays.fill(widthUs, 0);
        Iterator<BatchWindow> each = byKey.values().iterator();
        while (each.hasNext()) {
            BatchWindow window = each.next();
            if (window.isOpen()) {
                int channel = window.channel.index();
                widthUs[channel] = Math.max(widthUs[channel], TimeUnit.NANOSECONDS.toMicros(window.widthNs()));
            } else if (nowNs - window.endedNs() > QUIET_NS) {
                window.retire();
                each.remove();
            }
        }
        for (int channel = 0; channel < widthUs.length; channel++) {
            metrics.set(channel, ChannelGauge.BATCH_WINDOW_US, widthUs[channel]);
        }
    }

    /** The window that a topic's events count in; null where its channel is not batched or nothing was published yet. */
    @Nullable
    static BatchWindow of(TopicLog log) {
        BatchedTopic topic = log.batched();
        return topic == null ? null : topic.window;
    }
}
