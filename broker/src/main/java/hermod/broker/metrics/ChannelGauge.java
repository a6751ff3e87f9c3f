package hermod.broker.metrics;

import java.util.Locale;

/** What a broker shows per channel as it is now; over the shards the highest counts. */
public enum ChannelGauge {
    BATCH_WINDOW_US(
            "How wide the channel's batching window is now: the widest of its organizations'; 0 while none is open. Events of LOW wait at most so long."),
    GROUP_LAG("Events that a consumer group of the channel has not settled: of the group that is furthest behind."),

    DEDUP_SHORT_US(
            "By how much the time for which event ids are recognised is shorter than the channel's dedup-window-s, on the topic where it is shortest: it had more ids than topic.dedup-ids-per-topic-limit-count; 0 where none has.");

    private final String meaning;

    ChannelGauge(String meaning) {
        this.meaning = meaning;
    }

    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    public String meaning() {
        return meaning;
    }
}
