package hermod.broker.admin;

import com.github.freva.asciitable.AsciiTable;
import com.github.freva.asciitable.Column;
import com.github.freva.asciitable.HorizontalAlign;
import hermod.protocol.TopicName;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Lays out for people what the admin port answers. Stateless. */
final class StatsTable {
    private static final String[] STAGES = {"publishToBroker", "inBroker", "brokerToSocket", "publishToHandler"};
    private static final String[] STAGE_NAMES = {
        "publish to broker", "in broker", "broker to socket", "publish to handler"
    };

    private StatsTable() {}

    /** @param channel the only channel asked for, or the empty string: then channels without traffic are left out. */
    static String stats(JsonTree stats, String channel) {
        StringBuilder page = new StringBuilder();
        page.append(String.format(
                Locale.ROOT,
                "hermod %s   up %s   %s   %s   %s%n",
                shown(stats.text("version")),
                duration(stats.number("uptimeSeconds")),
                count(stats.number("shards"), "shard"),
                count(stats.number("connections"), "connection"),
                count(stats.number("topics"), "topic")));
        store(page, stats.child("store"));
        safety(page, stats.child("counters"));
        counters(page, stats.child("counters"));
        List<JsonTree> channels = stats.children("channels");
        List<JsonTree> rows = new ArrayList<>(channels);
        if (channel.isEmpty()) {
            rows.removeIf(StatsTable::isQuiet);
        }
        channels(page, rows);
        if (channel.isEmpty() && rows.size() < channels.size()) {
            page.append(count(channels.size() - (long) rows.size(), "channel")).append(" without traffic not shown\n");
        }
        if (!channel.isEmpty()) {
            rows.forEach(one -> stages(page, one));
        }
        topics(page, stats.children("topicStats"));
        return page.toString();
    }

    private static void store(StringBuilder page, JsonTree store) {
        String health = store.text("health");
        if (!health.isEmpty() && !health.equals("ok")) {
            page.append("STORE ")
                    .append(shown(health).toUpperCase(Locale.ROOT))
                    .append(": durable publishes are refused. ")
                    .append(shown(store.text("reason")))
                    .append('\n');
        }
        if (store.number("syncs") > 0) {
            JsonTree sync = store.child("syncUs");
            page.append(String.format(
                    Locale.ROOT,
                    "store   %s stored in %s   sync p50 %s us, p99 %s us   journal %s B   disk %s B%n",
                    count(store.number("storedEvents"), "event"),
                    count(store.number("syncs"), "sync"),
                    grouped(sync.number("p50")),
                    grouped(sync.number("p99")),
                    grouped(store.number("journalBytes")),
                    grouped(store.number("diskBytes"))));
        }
    }

    static String groups(JsonTree answer) {
        List<JsonTree> rows = answer.children("groups");
        if (rows.isEmpty()) {
            return "no consumer groups\n";
        }
        return table(
                List.of(
                        left("org"),
                        left("channel"),
                        left("group"),
                        left("mode"),
                        right("members"),
                        right("lag"),
                        right("in flight"),
                        right("oldest")),
                rows.stream()
                        .map(one -> new String[] {
                            shown(one.text("org")),
                            shown(one.text("channel")),
                            shown(one.text("name")),
                            shown(one.text("mode")),
                            grouped(one.number("members")),
                            grouped(one.number("lag")),
                            grouped(one.number("inFlight")),
                            one.number("oldestAgeUs") == 0 ? "-" : duration(one.number("oldestAgeUs") / 1_000_000)
                        })
                        .toList());
    }

    private static void safety(StringBuilder page, JsonTree counters) {
        long unheard = counters.number("safety_escalated_no_subscriber");
        long unacknowledged = counters.number("safety_escalated_unacknowledged");
        long tooMany = counters.number("safety_escalated_too_many");
        long all = unheard + unacknowledged + tooMany;
        if (all > 0) {
            page.append(String.format(
                    Locale.ROOT,
                    "SAFETY %s escalated since the start: %s without a subscriber, %s not acknowledged, %s because too many waited. The log and 'hermod audit list' name them.%n",
                    count(all, "event") + (all == 1 ? " has" : " have"),
                    grouped(unheard),
                    grouped(unacknowledged),
                    grouped(tooMany)));
        }
    }

    static String connections(JsonTree answer) {
        List<JsonTree> rows = answer.children("connections");
        StringBuilder page = new StringBuilder();
        if (!rows.isEmpty()) {
            page.append(table(
                    List.of(
                            left("id"),
                            left("user"),
                            left("org"),
                            left("device"),
                            left("platform"),
                            left("address"),
                            left("connected"),
                            right("published"),
                            right("delivered"),
                            right("owed B"),
                            left("subscriptions")),
                    rows.stream()
                            .map(one -> new String[] {
                                shown(one.text("id")),
                                shown(one.text("user")),
                                shown(one.text("org")),
                                shown(one.text("device")),
                                shown(one.text("platform")),
                                shown(one.text("address")),
                                time(one.number("connectedAtUs")),
                                grouped(one.number("published")),
                                grouped(one.number("delivered")),
                                grouped(one.number("outboxBytes")),
                                subscriptions(one.texts("subscriptions"))
                            })
                            .toList()));
        }
        long total = Math.max(answer.number("total"), rows.size());
        page.append(count(total, "connection"));
        if (rows.size() < total) {
            page.append(", the first ").append(rows.size()).append(" shown");
        }
        return page.append('\n').toString();
    }

    /** The slowest consumers, in the order the broker gave. */
    static String slow(JsonTree answer) {
        List<JsonTree> rows = answer.children("slow");
        if (rows.isEmpty()) {
            return "No consumer is slow: every connection takes what it is owed.\n";
        }
        StringBuilder page = new StringBuilder();
        page.append(table(
                List.of(
                        left("user"),
                        left("device"),
                        left("connection"),
                        left("rung"),
                        right("since"),
                        left("cause"),
                        right("behind"),
                        right("shed"),
                        right("gaps"),
                        right("owed B"),
                        right("low"),
                        right("normal"),
                        right("high"),
                        right("urgent"),
                        right("credit B"),
                        left("what to do")),
                rows.stream().map(StatsTable::slowRow).toList()));
        long total = Math.max(answer.number("total"), rows.size());
        page.append(count(total, "slow consumer"));
        if (rows.size() < total) {
            page.append(", the worst ").append(rows.size()).append(" shown");
        }
        return page.append('\n').toString();
    }

    private static String[] slowRow(JsonTree one) {
        JsonTree lanes = one.child("laneBytes");
        String cause = one.text("cause");
        return new String[] {
            shown(one.text("user")),
            shown(one.text("device")),
            shown(one.text("id")),
            shown(one.text("rung")),
            duration(one.number("rungSinceUs") / 1_000_000),
            shown(cause),
            grouped(one.number("behind")),
            grouped(one.number("shed")),
            grouped(one.number("gaps")),
            grouped(one.number("outboxBytes")),
            grouped(lanes.number("low")),
            grouped(lanes.number("normal")),
            grouped(lanes.number("high")),
            grouped(lanes.number("urgent")),
            one.keys().contains("creditBytes") ? grouped(one.number("creditBytes")) : "-",
            remedy(cause)
        };
    }

    /** What an operator does about a cause; OPERATIONS.md says it at length. */
    private static String remedy(String cause) {
        return switch (cause) {
            case "socket" -> "check its network, and that the client reads";
            case "credit" -> "look for a blocked handler in the client";
            case "handler" -> "make its handlers faster, or send it less";
            case "catching-up" -> "wait: it reads what it missed";
            case "none" -> "wait: it is on its way back";
            default -> "-";
        };
    }

    private static void counters(StringBuilder page, JsonTree counters) {
        StringBuilder line = new StringBuilder();
        for (String name : counters.keys()) {
            if (counters.number(name) != 0) {
                String item = shown(name) + " " + grouped(counters.number(name));
                if (line.length() + item.length() > 110) {
                    page.append(line).append('\n');
                    line.setLength(0);
                }
                line.append(line.isEmpty() ? "" : "   ").append(item);
            }
        }
        if (!line.isEmpty()) {
            page.append(line).append('\n');
        }
    }

    private static void channels(StringBuilder page, List<JsonTree> rows) {
        if (rows.isEmpty()) {
            return;
        }
        page.append(table(
                List.of(
                        left("channel"),
                        left("lane"),
                        left("kept"),
                        right("published"),
                        right("delivered"),
                        right("refused"),
                        right("expired"),
                        right("dedup"),
                        right("in broker p95"),
                        right("to handler p50"),
                        right("p95"),
                        right("p99"),
                        right("max"),
                        right("goal p95"),
                        left("health")),
                rows.stream().map(StatsTable::channel).toList()));
        if (rows.stream().anyMatch(one -> one.isTrue("runsInMemory"))) {
            page.append("* asks for a disk; runs in memory for now\n");
        }
    }

    private static String[] channel(JsonTree one) {
        JsonTree latency = one.child("latencyUs");
        JsonTree toHandler = latency.child("publishToHandler");
        return new String[] {
            shown(one.text("channel")),
            shown(one.text("lane")).toLowerCase(Locale.ROOT),
            shown(one.text("durability")).toLowerCase(Locale.ROOT) + (one.isTrue("runsInMemory") ? "*" : ""),
            grouped(one.number("published")),
            grouped(one.number("delivered")),
            grouped(one.number("refused")),
            grouped(one.number("expired")),
            dedup(one),
            latency(latency.child("inBroker"), "p95"),
            latency(toHandler, "p50"),
            latency(toHandler, "p95"),
            latency(toHandler, "p99"),
            latency(toHandler, "max"),
            time(one.child("goal").number("p95Us"), true),
            shown(one.text("health"))
        };
    }

    /** For how long event ids are recognised, and of how long where there were too many. */
    private static String dedup(JsonTree one) {
        long windowUs = one.number("dedupWindowUs");
        long shortUs = one.number("dedupShortUs");
        if (windowUs + shortUs == 0) {
            return "-";
        }
        String policy = duration((windowUs + shortUs) / 1_000_000);
        return shortUs == 0 ? policy : duration(windowUs / 1_000_000) + " of " + policy;
    }

    private static void stages(StringBuilder page, JsonTree one) {
        List<String[]> rows = new ArrayList<>();
        for (int i = 0; i < STAGES.length; i++) {
            JsonTree latency = one.child("latencyUs").child(STAGES[i]);
            rows.add(new String[] {
                STAGE_NAMES[i],
                latency(latency, "p50"),
                latency(latency, "p90"),
                latency(latency, "p95"),
                latency(latency, "p99"),
                latency(latency, "p999"),
                latency(latency, "max"),
                grouped(latency.number("count"))
            });
        }
        page.append(table(
                List.of(
                        left("latency of " + shown(one.text("channel"))),
                        right("p50"),
                        right("p90"),
                        right("p95"),
                        right("p99"),
                        right("p99.9"),
                        right("max"),
                        right("count")),
                rows));
    }

    private static void topics(StringBuilder page, List<JsonTree> topics) {
        if (!topics.isEmpty()) {
            page.append(table(
                    List.of(left("org"), left("topic"), right("next offset"), right("subscribers")),
                    topics.stream()
                            .map(topic -> new String[] {
                                shown(topic.text("org")),
                                shown(topic.text("topic")),
                                grouped(topic.number("nextOffset")),
                                grouped(topic.number("subscribers"))
                            })
                            .toList()));
        }
    }

    private static String table(List<Column> columns, List<String[]> rows) {
        return AsciiTable.builder()
                        .border(AsciiTable.BASIC_ASCII_NO_DATA_SEPARATORS_NO_OUTSIDE_BORDER)
                        .lineSeparator("\n")
                        .data(columns.toArray(Column[]::new), rows.toArray(String[][]::new))
                        .asString()
                + "\n";
    }

    private static Column left(String header) {
        return column(header, HorizontalAlign.LEFT);
    }

    private static Column right(String header) {
        return column(header, HorizontalAlign.RIGHT);
    }

    private static Column column(String header, HorizontalAlign align) {
        return new Column().header(header).headerAlign(align).dataAlign(align).maxWidth(80);
    }

    private static boolean isQuiet(JsonTree one) {
        return one.number("published") == 0
                && one.number("delivered") == 0
                && one.number("refused") == 0
                && one.number("duplicates") == 0
                && one.number("expired") == 0;
    }

    private static String latency(JsonTree latency, String percentile) {
        return time(latency.number(percentile), latency.number("count") > 0);
    }

    /** Microseconds in the unit that is easiest to read; a dash where nothing was measured. */
    private static String time(long us, boolean measured) {
        if (!measured) {
            return "-";
        }
        if (us < 1_000) {
            return us + " us";
        }
        return us < 1_000_000
                ? String.format(Locale.ROOT, "%.1f ms", us / 1e3)
                : String.format(Locale.ROOT, "%.1f s", us / 1e6);
    }

    /** Seconds are enough, and a table stays narrow. */
    private static String time(long us) {
        return Instant.ofEpochSecond(us / 1_000_000).toString();
    }

    static String duration(long seconds) {
        if (seconds < 60) {
            return seconds + " s";
        }
        if (seconds < 3_600) {
            return seconds / 60 + " min " + seconds % 60 + " s";
        }
        return seconds < 86_400
                ? seconds / 3_600 + " h " + seconds / 60 % 60 + " min"
                : seconds / 86_400 + " d " + seconds / 3_600 % 24 + " h";
    }

    private static String subscriptions(List<String> topics) {
        String first = String.join(" ", topics.subList(0, Math.min(3, topics.size())));
        return shown(first) + (topics.size() > 3 ? " and " + (topics.size() - 3) + " more" : "");
    }

    private static String count(long number, String noun) {
        return grouped(number) + " " + noun + (number == 1 ? "" : "s");
    }

    private static String grouped(long number) {
        return String.format(Locale.ROOT, "%,d", number);
    }

    /** Names come from strangers; a terminal must not obey them. */
    static String shown(String text) {
        return TopicName.shown(text);
    }
}
