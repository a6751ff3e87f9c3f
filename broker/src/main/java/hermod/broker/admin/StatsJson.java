package hermod.broker.admin;

import hermod.broker.admission.ServiceState;
import hermod.broker.metrics.BrokerStats;
import hermod.broker.metrics.ChannelStats;
import hermod.broker.metrics.ConnectionStats;
import hermod.broker.metrics.GroupStats;
import hermod.broker.metrics.LatencySummary;
import hermod.broker.metrics.SlowConnections;
import hermod.broker.metrics.SlowStats;
import hermod.broker.metrics.StoreStats;
import hermod.broker.metrics.TopicStats;
import java.io.ByteArrayOutputStream;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/**
 * Writes what operators see as JSON. Keys are only ever added: scripts rely on them. Stateless, any thread.
 *
 * <p>Written key by key rather than bound by a mapper, so that a renamed record component can't change the schema, and a command starts fast.
 */
final class StatsJson {
    private static final JsonFactory JSON = new JsonFactory();

    private StatsJson() {}

    /**
     * @param channel the only channel to tell of, or the empty string for all.
     * @param topics null where none were asked for.
     */
    static byte[] stats(BrokerStats stats, String channel, @org.jspecify.annotations.Nullable List<TopicStats> topics) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator out = JSON.createGenerator(ObjectWriteContext.empty(), bytes)) {
            out.writeStartObject();
            out.writeStringProperty("version", stats.version());
            out.writeNumberProperty("startedAtUs", stats.startedAtUs());
            out.writeNumberProperty("uptimeSeconds", stats.uptimeSeconds());
            out.writeNumberProperty("shards", stats.shards());
            out.writeNumberProperty("connections", stats.connections());
            out.writeNumberProperty("topics", stats.topics());
            out.writeName("counters").writeStartObject();
            for (Map.Entry<String, Long> counter : stats.counters().entrySet()) {
                out.writeNumberProperty(counter.getKey(), counter.getValue());
            }
            out.writeEndObject();
            store(out, stats.store());
            out.writeName("channels").writeStartArray();
            for (ChannelStats one : stats.channels()) {
                if (channel.isEmpty() || channel.equals(one.channel())) {
                    channel(out, one);
                }
            }
            out.writeEndArray();
            if (topics != null) {
                out.writeName("topicStats").writeStartArray();
                topics.forEach(topic -> topic(out, topic));
                out.writeEndArray();
            }
            out.writeEndObject();
        }
        return bytes.toByteArray();
    }

    private static void store(JsonGenerator out, StoreStats store) {
        out.writeName("store").writeStartObject();
        out.writeStringProperty("health", store.isWell() ? "ok" : store.fault().toLowerCase(Locale.ROOT));
        out.writeStringProperty("reason", store.reason());
        out.writeNumberProperty("storedEvents", store.storedEvents());
        out.writeNumberProperty("removedEvents", store.removedEvents());
        out.writeNumberProperty("syncs", store.syncs());
        out.writeName("syncUs").writeStartObject();
        out.writeNumberProperty("p50", store.syncP50Us());
        out.writeNumberProperty("p99", store.syncP99Us());
        out.writeNumberProperty("max", store.syncMaxUs());
        out.writeEndObject();
        out.writeNumberProperty("waitingBytes", store.waitingBytes());
        out.writeNumberProperty("journalBytes", store.journalBytes());
        out.writeNumberProperty("diskBytes", store.diskBytes());
        out.writeNumberProperty("memoryBytes", store.memoryBytes());
        out.writeEndObject();
    }

    /** @param total connections there are, of which the list may hold only the first ones. */
    static byte[] connections(long total, List<ConnectionStats> connections) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator out = JSON.createGenerator(ObjectWriteContext.empty(), bytes)) {
            out.writeStartObject();
            out.writeNumberProperty("total", total);
            out.writeName("connections").writeStartArray();
            connections.forEach(connection -> connection(out, connection));
            out.writeEndArray();
            out.writeEndObject();
        }
        return bytes.toByteArray();
    }

    static byte[] slow(SlowConnections slowest) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator out = JSON.createGenerator(ObjectWriteContext.empty(), bytes)) {
            out.writeStartObject();
            out.writeNumberProperty("total", slowest.total());
            out.writeName("slow").writeStartArray();
            slowest.worst().forEach(connection -> connection(out, connection));
            out.writeEndArray();
            out.writeEndObject();
        }
        return bytes.toByteArray();
    }

    static byte[] subscriptions(List<SubscriptionsOutcome> outcomes) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator out = JSON.createGenerator(ObjectWriteContext.empty(), bytes)) {
            out.writeStartObject();
            out.writeName("connections").writeStartArray();
            for (SubscriptionsOutcome each : outcomes) {
                out.writeStartObject();
                out.writeStringProperty("id", each.connection());
                out.writeStringProperty("device", each.device());
                out.writeBooleanProperty("replaced", each.isReplaced());
                out.writeNumberProperty("granted", each.granted());
                out.writeNumberProperty("removed", each.removed());
                out.writeName("refused").writeStartArray();
                for (SubscriptionsOutcome.Refusal refusal : each.refused()) {
                    out.writeStartObject();
                    out.writeStringProperty("topic", refusal.topic());
                    out.writeNumberProperty("code", refusal.code());
                    out.writeStringProperty("message", refusal.sentence());
                    out.writeEndObject();
                }
                out.writeEndArray();
                out.writeEndObject();
            }
            out.writeEndArray();
            out.writeEndObject();
        }
        return bytes.toByteArray();
    }

    /** An object of one text. */
    static byte[] message(String key, String text) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator out = JSON.createGenerator(ObjectWriteContext.empty(), bytes)) {
            out.writeStartObject().writeStringProperty(key, text).writeEndObject();
        }
        return bytes.toByteArray();
    }

    static byte[] groups(List<GroupStats> groups) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator out = JSON.createGenerator(ObjectWriteContext.empty(), bytes)) {
            out.writeStartObject();
            out.writeName("groups").writeStartArray();
            for (GroupStats group : groups) {
                out.writeStartObject();
                out.writeStringProperty("org", group.org());
                out.writeStringProperty("channel", group.channel());
                out.writeStringProperty("name", group.name());
                out.writeStringProperty("mode", group.mode());
                out.writeNumberProperty("members", group.members());
                out.writeNumberProperty("floor", group.floor());
                out.writeNumberProperty("lag", group.lag());
                out.writeNumberProperty("inFlight", group.inFlight());
                out.writeNumberProperty("oldestAgeUs", group.oldestAgeUs());
                out.writeEndObject();
            }
            out.writeEndArray();
            out.writeEndObject();
        }
        return bytes.toByteArray();
    }

    static byte[] service(ServiceState state) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator out = JSON.createGenerator(ObjectWriteContext.empty(), bytes)) {
            out.writeStartObject();
            out.writeBooleanProperty("enabled", state.allOff() == null);
            out.writeStringProperty("reason", state.allOff() == null ? "" : state.allOff());
            out.writeBooleanProperty("tierZeroToo", state.isTierZeroToo());
            out.writeName("channelsOff").writeStartArray();
            state.channelsOff().forEach((channel, reason) -> {
                out.writeStartObject();
                out.writeStringProperty("channel", channel);
                out.writeStringProperty("reason", reason);
                out.writeEndObject();
            });
            out.writeEndArray();
            out.writeName("featuresOff").writeStartArray();
            state.featuresOff().forEach(out::writeString);
            out.writeEndArray();
            out.writeNumberProperty("rolloutPercent", state.rolloutPercent());
            out.writeEndObject();
        }
        return bytes.toByteArray();
    }

    static byte[] drain(DrainProgress progress) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator out = JSON.createGenerator(ObjectWriteContext.empty(), bytes)) {
            out.writeStartObject();
            out.writeStringProperty("phase", progress.phase());
            out.writeNumberProperty("connections", progress.connections());
            out.writeNumberProperty("waiting", progress.waiting());
            out.writeEndObject();
        }
        return bytes.toByteArray();
    }

    private static void channel(JsonGenerator out, ChannelStats one) {
        out.writeStartObject();
        out.writeStringProperty("channel", one.channel());
        out.writeStringProperty("lane", one.lane());
        out.writeStringProperty("durability", one.durability());
        out.writeBooleanProperty("runsInMemory", one.runsInMemory());
        out.writeNumberProperty("tier", one.tier());
        out.writeNumberProperty("published", one.published());
        out.writeNumberProperty("delivered", one.delivered());
        out.writeNumberProperty("duplicates", one.duplicates());
        out.writeNumberProperty("refused", one.refused());
        out.writeNumberProperty("expired", one.expired());
        out.writeNumberProperty("clamped", one.clamped());
        out.writeNumberProperty("filtered", one.filtered());
        out.writeNumberProperty("conflated", one.conflated());
        out.writeNumberProperty("shed", one.shed());
        out.writeNumberProperty("groupHandedOut", one.groupHandedOut());
        out.writeNumberProperty("groupRepeated", one.groupRepeated());
        out.writeNumberProperty("groupSettled", one.groupSettled());
        out.writeNumberProperty("groupLost", one.groupLost());
        out.writeNumberProperty("batchWindowUs", one.batchWindowUs());
        out.writeNumberProperty("groupLag", one.groupLag());
        out.writeNumberProperty("dedupWindowUs", one.dedupWindowUs());
        out.writeNumberProperty("dedupShortUs", one.dedupShortUs());
        out.writeNumberProperty("dedupIdsLimit", one.dedupIdsLimit());
        out.writeName("latencyUs").writeStartObject();
        latency(out, "publishToBroker", one.publishToBroker());
        latency(out, "inBroker", one.inBroker());
        latency(out, "brokerToSocket", one.brokerToSocket());
        latency(out, "publishToHandler", one.publishToHandler());
        out.writeEndObject();
        out.writeName("goal").writeStartObject();
        out.writeNumberProperty("p95Us", one.goalP95Us());
        out.writeEndObject();
        out.writeStringProperty("health", one.health());
        out.writeEndObject();
    }

    private static void latency(JsonGenerator out, String stage, LatencySummary latency) {
        out.writeName(stage).writeStartObject();
        out.writeNumberProperty("p50", latency.p50());
        out.writeNumberProperty("p90", latency.p90());
        out.writeNumberProperty("p95", latency.p95());
        out.writeNumberProperty("p99", latency.p99());
        out.writeNumberProperty("p999", latency.p999());
        out.writeNumberProperty("max", latency.max());
        out.writeNumberProperty("mean", Math.round(latency.mean() * 10) / 10.0);
        out.writeNumberProperty("count", latency.count());
        out.writeEndObject();
    }

    private static void topic(JsonGenerator out, TopicStats topic) {
        out.writeStartObject();
        out.writeStringProperty("org", topic.org());
        out.writeStringProperty("topic", topic.topic());
        out.writeNumberProperty("nextOffset", topic.nextOffset());
        out.writeNumberProperty("subscribers", topic.subscribers());
        out.writeNumberProperty("homeShard", topic.homeShard());
        out.writeEndObject();
    }

    private static void connection(JsonGenerator out, ConnectionStats one) {
        out.writeStartObject();
        out.writeStringProperty("id", one.id());
        out.writeStringProperty("user", one.user());
        out.writeStringProperty("org", one.org());
        out.writeStringProperty("device", one.device());
        out.writeStringProperty("platform", one.platform());
        out.writeStringProperty("address", one.address());
        out.writeNumberProperty("connectedAtUs", one.connectedAtUs());
        out.writeNumberProperty("lastPingAtUs", one.lastPingAtUs());
        out.writeName("subscriptions").writeStartArray();
        one.subscriptions().forEach(out::writeString);
        out.writeEndArray();
        out.writeName("filters").writeStartObject();
        one.filters().forEach(out::writeStringProperty);
        out.writeEndObject();
        out.writeNumberProperty("delivered", one.delivered());
        out.writeNumberProperty("published", one.published());
        out.writeNumberProperty("outboxBytes", one.outboxBytes());
        SlowStats slow = one.slow();
        out.writeStringProperty("rung", slow.rung());
        out.writeStringProperty("cause", slow.cause());
        out.writeNumberProperty("rungSinceUs", slow.sinceUs());
        out.writeNumberProperty("behind", slow.behind());
        out.writeNumberProperty("shed", slow.shed());
        out.writeNumberProperty("gaps", slow.gaps());
        out.writeName("laneBytes");
        out.writeStartObject();
        out.writeNumberProperty("low", slow.lowBytes());
        out.writeNumberProperty("normal", slow.normalBytes());
        out.writeNumberProperty("high", slow.highBytes());
        out.writeNumberProperty("urgent", slow.urgentBytes());
        out.writeEndObject();
        if (slow.creditBytes() != Long.MAX_VALUE) {
            out.writeNumberProperty("creditBytes", slow.creditBytes());
        }
        out.writeNumberProperty("shard", one.shard());
        out.writeEndObject();
    }
}
