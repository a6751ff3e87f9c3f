package hermod.broker.admin;

import hermod.broker.metrics.BrokerStats;
import hermod.broker.metrics.ChannelStats;
import hermod.broker.metrics.LatencySummary;
import hermod.broker.metrics.StoreStats;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToLongFunction;

/** Writes the figures in the Prometheus text format 0.0.4; every name begins with {@code hermod_}. Used once, by one thread. */
final class PrometheusText {
    static final String CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

    private static final double US_PER_SECOND = 1e6;

    private final StringBuilder page = new StringBuilder(16 * 1024);

    private PrometheusText() {}

    static String of(BrokerStats stats, boolean ready) {
        PrometheusText text = new PrometheusText();
        text.broker(stats, ready);
        text.channels(stats.channels());
        return text.page.toString();
    }

    private void broker(BrokerStats stats, boolean ready) {
        head("hermod_info", "gauge", "The broker's version.");
        page.append("hermod_info{version=\"").append(escaped(stats.version())).append("\"} 1\n");
        gauge("hermod_ready", "Whether clients are served.", ready ? 1 : 0);
        gauge("hermod_uptime_seconds", "Time since the start.", stats.uptimeSeconds());
        gauge("hermod_shards", "Shards, each one thread.", stats.shards());
        gauge("hermod_connections", "Connections open now.", stats.connections());
        gauge("hermod_topics", "Topics alive now.", stats.topics());
        store(stats.store());
        for (Map.Entry<String, Long> counter : stats.counters().entrySet()) {
            String name = "hermod_" + snake(counter.getKey()) + "_total";
            head(name, "counter", "Counter " + escapedHelp(counter.getKey()) + " since the start.");
            page.append(name).append(' ').append(counter.getValue()).append('\n');
        }
    }

    private void store(StoreStats store) {
        gauge("hermod_store_ok", "Whether durable events can be stored now.", store.isWell() ? 1 : 0);
        gauge("hermod_store_waiting_bytes", "Appended and not on disk yet.", store.waitingBytes());
        gauge(
                "hermod_store_journal_bytes",
                "On disk before the store proper: what a restart reads again.",
                store.journalBytes());
        gauge("hermod_store_disk_bytes", "Disk that the store uses.", store.diskBytes());
        gauge("hermod_store_memory_bytes", "Memory of the store outside the Java heap.", store.memoryBytes());
        head("hermod_store_sync_p99_seconds", "gauge", "99th percentile of the latest syncs.");
        page.append("hermod_store_sync_p99_seconds ")
                .append(store.syncP99Us() / US_PER_SECOND)
                .append('\n');
        head("hermod_store_removed_events_total", "counter", "Events that retention removed.");
        page.append("hermod_store_removed_events_total ")
                .append(store.removedEvents())
                .append('\n');
        head("hermod_store_syncs_total", "counter", "Syncs of the journal.");
        page.append("hermod_store_syncs_total ").append(store.syncs()).append('\n');
    }

    private void channels(List<ChannelStats> channels) {
        counter(channels, "published", "Events accepted.", ChannelStats::published);
        counter(channels, "delivered", "Events written to subscribers.", ChannelStats::delivered);
        counter(channels, "duplicates", "Events published again and not delivered again.", ChannelStats::duplicates);
        counter(channels, "refused", "Events refused.", ChannelStats::refused);
        counter(channels, "expired", "Events whose time to live had passed.", ChannelStats::expired);
        counter(channels, "clamped", "Events whose priority was lowered.", ChannelStats::clamped);
        counter(
                channels,
                "filtered",
                "Events not sent to a subscriber whose filter does not match.",
                ChannelStats::filtered);
        counter(
                channels,
                "conflated",
                "Events not delivered because a newer one of the same key was.",
                ChannelStats::conflated);
        counter(channels, "shed", "Events not sent to quarantined subscribers, announced by GAP.", ChannelStats::shed);
        counter(
                channels,
                "group_handed_out",
                "Events handed out to members of consumer groups, each time.",
                ChannelStats::groupHandedOut);
        counter(channels, "group_repeated", "Those of them handed out before.", ChannelStats::groupRepeated);
        counter(channels, "group_settled", "Events settled by consumer groups.", ChannelStats::groupSettled);
        counter(
                channels,
                "group_lost",
                "Events no longer kept when a consumer group came to them.",
                ChannelStats::groupLost);
        latencies(channels);
        head("hermod_channel_goal_p95_seconds", "gauge", "Goal for the 95th percentile from publish to handler.");
        for (ChannelStats one : channels) {
            sample("hermod_channel_goal_p95_seconds", one, "", one.goalP95Us() / US_PER_SECOND);
        }
        head(
                "hermod_channel_batch_window_seconds",
                "gauge",
                "The channel's batching window now; 0 while none is open.");
        for (ChannelStats one : channels) {
            sample("hermod_channel_batch_window_seconds", one, "", one.batchWindowUs() / US_PER_SECOND);
        }
        head(
                "hermod_channel_group_lag",
                "gauge",
                "Events that the consumer group that is furthest behind has not settled.");
        for (ChannelStats one : channels) {
            sample("hermod_channel_group_lag", one, "", one.groupLag());
        }
        head(
                "hermod_channel_dedup_window_seconds",
                "gauge",
                "How long an event id is recognised, on the topic where it is shortest; 0 where ids are not compared.");
        for (ChannelStats one : channels) {
            sample("hermod_channel_dedup_window_seconds", one, "", one.dedupWindowUs() / US_PER_SECOND);
        }
        head(
                "hermod_channel_dedup_short_seconds",
                "gauge",
                "By how much that is less than the channel's policy says, because a topic had too many ids.");
        for (ChannelStats one : channels) {
            sample("hermod_channel_dedup_short_seconds", one, "", one.dedupShortUs() / US_PER_SECOND);
        }
        head(
                "hermod_channel_runs_in_memory",
                "gauge",
                "Whether the channel asks for a disk that this broker does not have.");
        for (ChannelStats one : channels) {
            sample("hermod_channel_runs_in_memory", one, "", one.runsInMemory() ? 1 : 0);
        }
    }

    private void latencies(List<ChannelStats> channels) {
        String name = "hermod_channel_latency_seconds";
        head(name, "summary", "Latency of a channel's events by stage, since the start.");
        for (ChannelStats one : channels) {
            latency(name, one, "publish_to_broker", one.publishToBroker());
            latency(name, one, "in_broker", one.inBroker());
            latency(name, one, "broker_to_socket", one.brokerToSocket());
            latency(name, one, "publish_to_handler", one.publishToHandler());
        }
    }

    private void latency(String name, ChannelStats one, String stage, LatencySummary latency) {
        String labels = ",stage=\"" + stage + "\"";
        sample(name, one, labels + ",quantile=\"0.5\"", latency.p50() / US_PER_SECOND);
        sample(name, one, labels + ",quantile=\"0.9\"", latency.p90() / US_PER_SECOND);
        sample(name, one, labels + ",quantile=\"0.95\"", latency.p95() / US_PER_SECOND);
        sample(name, one, labels + ",quantile=\"0.99\"", latency.p99() / US_PER_SECOND);
        sample(name, one, labels + ",quantile=\"0.999\"", latency.p999() / US_PER_SECOND);
        sample(name, one, labels + ",quantile=\"1\"", latency.max() / US_PER_SECOND);
        sample(name + "_sum", one, labels, latency.mean() * latency.count() / US_PER_SECOND);
        sample(name + "_count", one, labels, latency.count());
    }

    private void counter(List<ChannelStats> channels, String what, String help, ToLongFunction<ChannelStats> value) {
        String name = "hermod_channel_" + what + "_total";
        head(name, "counter", help);
        for (ChannelStats one : channels) {
            sample(name, one, "", value.applyAsLong(one));
        }
    }

    private void gauge(String name, String help, long value) {
        head(name, "gauge", help);
        page.append(name).append(' ').append(value).append('\n');
    }

    private void head(String name, String type, String help) {
        page.append("# HELP ").append(name).append(' ').append(help).append('\n');
        page.append("# TYPE ").append(name).append(' ').append(type).append('\n');
    }

    private void sample(String name, ChannelStats one, String labels, double value) {
        page.append(name)
                .append("{channel=\"")
                .append(escaped(one.channel()))
                .append('"')
                .append(labels)
                .append("} ");
        if (value == (long) value) {
            page.append((long) value);
        } else {
            page.append(value);
        }
        page.append('\n');
    }

    /** {@code bytesIn} to {@code bytes_in}; whatever can't stand in a metric's name becomes an underscore. */
    private static String snake(String camel) {
        StringBuilder snake = new StringBuilder();
        for (int i = 0; i < camel.length(); i++) {
            char c = camel.charAt(i);
            if (c >= 'A' && c <= 'Z' && i > 0) {
                snake.append('_');
            }
            boolean allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            snake.append(allowed ? c : '_');
        }
        return snake.toString().toLowerCase(Locale.ROOT);
    }

    private static String escaped(String label) {
        return label.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
    }

    private static String escapedHelp(String text) {
        return text.replace("\\", "\\\\").replace("\n", "\\n");
    }
}
