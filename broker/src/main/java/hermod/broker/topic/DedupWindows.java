package hermod.broker.topic;

import hermod.broker.metrics.ChannelGauge;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The topics of a shard that get more event ids than they may remember, so that an id is recognised for less than its channel's window; and what operators are told of them: by how much the shortest window of a channel is short.
 *
 * <p>Few: each has as many ids as there may be. A topic is forgotten here with the last id that it should still know.
 */
@RunsOn(Owner.SHARD)
public final class DedupWindows {
    private final Map<TopicLog, EventIds> shortened = new LinkedHashMap<>();

    /** By channel; none behind the last that was short. */
    private long[] shownUs = {};

    /** The topic has forgotten an id that is still in the window. */
    public void note(TopicLog log, EventIds ids) {
        shortened.put(log, ids);
    }

    /** Shows each channel's shortest window as it is now. */
    public void onTick(HomeTopics topics, long nowUs, ShardMetrics metrics) {
        if (shortened.isEmpty() && shownUs.length == 0) {
            return;
        }
        shortened
                .entrySet()
                .removeIf(one -> one.getValue().shortUs(nowUs) == 0
                        || topics.of(one.getKey().handle()) != one.getKey());
        long[] nextUs = new long
                [shortened.keySet().stream()
                        .mapToInt(log -> log.topic().channel().index() + 1)
                        .max()
                        .orElse(0)];
        shortened.forEach((log, ids) -> {
            int channel = log.topic().channel().index();
            nextUs[channel] = Math.max(nextUs[channel], ids.shortUs(nowUs));
        });
        for (int channel = 0; channel < Math.max(nextUs.length, shownUs.length); channel++) {
            metrics.set(channel, ChannelGauge.DEDUP_SHORT_US, channel < nextUs.length ? nextUs[channel] : 0);
        }
        shownUs = nextUs;
    }
}
