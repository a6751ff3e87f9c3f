package hermod.broker.metrics;

import java.util.List;
import java.util.Locale;

/** Writes METRICS.md from the enums themselves, so that the page can't say anything else than the code does. Stateless, any thread. */
final class MetricsDocument {
    private static final String HEAD = """
            # Metrics

            Generated from `Counter`, `ChannelCounter` and `Stage`; a test fails when this page is stale, and
            `mvn -pl broker -am test -Dtest=MetricsDocumentTest -Dsurefire.failIfNoSpecifiedTests=false -Dhermod.docs.write=true` writes it again.

            All numbers are since the start of the broker, added up over its shards; a restart sets them to 0. Each shard writes its own without a lock, so a
            reader sees them as they were a moment ago, and two numbers read together may be of slightly different moments. The name in `stats --json` is
            given first, the one on `/metrics` second. How to read them together is in OPERATIONS.md.
            """;

    private MetricsDocument() {}

    /** The whole page. */
    static String markdown() {
        StringBuilder page = new StringBuilder(HEAD);
        page.append("\n## Broker\n\nUnder `counters` of `stats --json`.\n\n");
        row(page, "name", "on /metrics", "unit", "meaning");
        row(page, "---", "---", "---", "---");
        for (Counter counter : Counter.values()) {
            row(
                    page,
                    code(counter.label()),
                    code("hermod_" + counter.label() + "_total"),
                    unit(counter),
                    counter.meaning());
        }
        page.append(
                "\n## Channel\n\nOne set for each channel, under `channels[]`; on `/metrics` with the label `channel`.\n\n");
        row(page, "name", "on /metrics", "unit", "meaning");
        row(page, "---", "---", "---", "---");
        for (ChannelCounter counter : ChannelCounter.values()) {
            row(
                    page,
                    code(counter.label()),
                    code("hermod_channel_" + counter.label() + "_total"),
                    "events",
                    counter.meaning());
        }
        for (ChannelGauge gauge : ChannelGauge.values()) {
            row(
                    page,
                    code(camel(gauge)),
                    code("hermod_channel_" + nameInSeconds(gauge)),
                    gauge.label().endsWith("_us") ? "µs; s on /metrics" : "events",
                    gauge.meaning() + " A gauge, not a sum: the highest of the shards'.");
        }
        row(
                page,
                code("dedupWindowUs"),
                code("hermod_channel_dedup_window_seconds"),
                "µs; s on /metrics",
                "For how long an event id is recognised, on the topic where it is shortest: the channel's dedup-window-s without the row above; 0 where ids are not compared. `dedupIdsLimit` beside it says how many ids a topic remembers.");
        page.append(stagesHead());
        row(page, "name", "label stage", "unit", "meaning");
        row(page, "---", "---", "---", "---");
        for (Stage stage : Stage.values()) {
            row(page, code(camel(stage)), code(snake(stage)), "µs", stage.meaning());
        }
        return page.toString();
    }

    private static String stagesHead() {
        return """

                ## Latency of a channel

                One histogram for each channel and stage, made on each shard when the channel is first used there (HdrHistogram). It holds 1 µs to %d s in %d
                significant digits; a longer time is counted at the bound. `stats --json` has `p50`, `p90`, `p95`, `p99`, `p999`, `max`, `mean` and `count`
                under `latencyUs`, in microseconds; `/metrics` has the summary `hermod_channel_latency_seconds` with the labels `channel`, `stage` and
                `quantile`, in seconds. The events of a run arrive together and are counted with the time of the first of them.

                """.formatted(
                ShardMetrics.HIGHEST_US / 1_000_000, MetricsConfig.defaults().histogramDigits());
    }

    private static void row(StringBuilder page, String... cells) {
        page.append("| ");
        page.append(String.join(
                " | ",
                List.of(cells).stream().map(cell -> cell.replace("|", "\\|")).toList()));
        page.append(" |\n");
    }

    private static String code(String name) {
        return "`" + name + "`";
    }

    /** What one step of the counter is. */
    private static String unit(Counter counter) {
        return switch (counter) {
            case CONNECTIONS_ACCEPTED,
                    CONNECTIONS_WELCOMED,
                    CONNECTIONS_REFUSED,
                    CONNECTIONS_CLOSED,
                    CONNECTIONS_SILENT,
                    CONNECTIONS_SLOW,
                    QUARANTINES,
                    QUARANTINES_ENDED,
                    CONNECTIONS_PARKED -> "connections";
            case FRAMES_RECEIVED, FRAMES_BAD, ERRORS_SENT, GAPS_SENT -> "frames";
            case PUBLISHES_BACK_PRESSURED,
                    PUBLISHES_RATE_LIMITED,
                    PUBLISHES_USER_RATE_LIMITED,
                    PUBLISHES_NOT_ENABLED,
                    EVICTED_LOW,
                    EVICTED_NORMAL,
                    EVICTED_HIGH,
                    EVENTS_STORED,
                    EVENTS_NOT_STORED -> "events";
            case SCHEDULES_SENT, SCHEDULES_DROPPED -> "events";
            case EVENTS_ACKNOWLEDGED,
                    EVENTS_REDELIVERED,
                    SAFETY_TAKEN,
                    SAFETY_ACKNOWLEDGED,
                    SAFETY_ESCALATED_NO_SUBSCRIBER,
                    SAFETY_ESCALATED_UNACKNOWLEDGED,
                    SAFETY_ESCALATED_TOO_MANY -> "events";
            case SAFETY_ESCALATIONS_LOST, SAFETY_WEBHOOKS_SENT, SAFETY_WEBHOOKS_LOST -> "escalations";
            case SCHEDULES_RETRIED -> "attempts";
            case RUNS_OVERRUN -> "runs";
            case WINDOW_READS, STORE_READS -> "reads";
            case WINDOWS_SHORTENED -> "chunks";
            case SUBSCRIPTIONS_BEHIND -> "subscriptions";
            case READS_STOPPED -> "stops";
            case RECORDS_DELAYED -> "ring records";
            case HISTORY_PAGES -> "pages";
            case SUBSCRIPTIONS_REPLACED -> "REPLACED frames";
            case OUTCOMES_LOST -> "PUBLISHED frames";
            case PRODUCERS_FORGOTTEN -> "producers";
            case SOCKET_FLUSHES -> "flushes";
            case RUNS_COMPRESSED, RUNS_NOT_COMPRESSED -> "runs";
            case COMPRESSION_SAVED_BYTES -> "bytes";
            case AUDIT_RECORDS, AUDIT_RECORDS_LOST -> "audit records";
            case DEFECTS -> "exceptions";
        };
    }

    private static String snake(Stage stage) {
        return stage.name().toLowerCase(Locale.ROOT);
    }

    /** As {@code /metrics} has it, where times are in seconds. */
    private static String nameInSeconds(ChannelGauge gauge) {
        return gauge.label().replaceAll("_us$", "_seconds");
    }

    private static String camel(Enum<?> stage) {
        StringBuilder camel = new StringBuilder();
        for (String word : stage.name().split("_", -1)) {
            camel.append(camel.isEmpty() ? word.substring(0, 1).toLowerCase(Locale.ROOT) : word.substring(0, 1))
                    .append(word.substring(1).toLowerCase(Locale.ROOT));
        }
        return camel.toString();
    }
}
