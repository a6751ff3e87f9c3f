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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What an operator sees of a broker that is not there. */
final class MadeUpBroker implements OperatorView, OperatorControls {
    volatile boolean ready = true;
    volatile boolean defect;
    volatile int slowCount = 1;
    volatile @Nullable SubscriptionsOrder lastOrder;

    @Override
    public BrokerStats stats() {
        if (defect) {
            throw new IllegalStateException("on purpose");
        }
        Map<String, Long> counters = new LinkedHashMap<>();
        counters.put("bytesIn", 12_345L);
        counters.put("frames\nTooLong", 0L);
        return new BrokerStats(
                "1.2.3",
                1_000_000,
                3_725,
                2,
                3,
                4,
                counters,
                List.of(channel("chat", 1_000), channel("dm", 0)),
                new StoreStats("FULL", "no space left: journal/00000001", 100, 60, 7, 150, 900, 1_000, 10, 20, 30, 40));
    }

    private static ChannelStats channel(String name, long events) {
        LatencySummary latency = events == 0
                ? LatencySummary.EMPTY
                : new LatencySummary(80, 90, 95, 1_500, 9_990, 2_500_000, 81.26, events);
        return new ChannelStats(
                name,
                "NORMAL",
                "DISK",
                true,
                2,
                events,
                2 * events,
                1,
                2,
                3,
                4,
                5,
                0,
                0,
                11,
                12,
                13,
                14,
                30_000,
                15,
                events == 0 ? 600_000_000 : 125_000_000,
                events == 0 ? 0 : 475_000_000,
                16_384,
                latency,
                latency,
                latency,
                latency,
                100_000,
                events == 0 ? "idle" : "healthy");
    }

    @Override
    public List<GroupStats> groups() {
        return List.of(new GroupStats("acme", "chat", "fraud", "shared", 2, 41, 7, 3, 1_500_000));
    }

    @Override
    public void deleteGroup(String org, String channel, String name) {
        asked.add("delete " + org + " " + channel + " " + name);
        if (!name.equals("fraud")) {
            throw new IllegalArgumentException("there is no such group");
        }
    }

    @Override
    public SlowConnections slowest() {
        SlowConnections slowest = new SlowConnections();
        for (int i = 0; i < slowCount; i++) {
            slowest.add(connections().get(0));
        }
        return slowest;
    }

    @Override
    public List<ConnectionStats> connections() {
        return List.of(new ConnectionStats(
                "c1",
                "u\u001b[31m",
                "acme",
                "phone",
                "ios",
                "127.0.0.1:5",
                1_000_000,
                2_000_000,
                List.of("chat:1", "chat:2", "chat:3", "chat:4"),
                Map.of("chat:2", "room = 7"),
                7,
                8,
                4_096,
                new SlowStats("quarantined", "socket", 2_000_000, 1, 2, 3, 1, 2, 3, 4, Long.MAX_VALUE),
                3));
    }

    @Override
    public List<TopicStats> topics(String org, String topic) {
        return List.of(new TopicStats(org.isEmpty() ? "acme" : org, topic.isEmpty() ? "all:topics" : topic, 17, 5, 2));
    }

    final java.util.List<String> asked = new java.util.concurrent.CopyOnWriteArrayList<>();
    private ServiceState service = new ServiceState(null, false, Map.of(), List.of(), 100);
    private final java.util.Iterator<DrainProgress> drain = List.of(
                    new DrainProgress(DrainProgress.SETTLING, 3, 3),
                    new DrainProgress(DrainProgress.FLUSHING, 2, 1),
                    new DrainProgress(DrainProgress.FLUSHING, 2, 1),
                    new DrainProgress(DrainProgress.DRAINED, 0, 0))
            .iterator();

    @Override
    public ServiceState service() {
        return service;
    }

    @Override
    public ServiceState kill(String what, String reason, boolean isConfirmed) {
        asked.add("kill " + what + " " + reason + " " + isConfirmed);
        if (what.equals("nosuch")) {
            throw new IllegalArgumentException("there is no channel 'nosuch'");
        }
        service = what.equals("all")
                ? new ServiceState(reason, isConfirmed, Map.of(), List.of(), service.rolloutPercent())
                : new ServiceState(null, false, Map.of(what, reason), List.of(), service.rolloutPercent());
        return service;
    }

    @Override
    public ServiceState lift(String what) {
        asked.add("lift " + what);
        service = new ServiceState(null, false, Map.of(), List.of(), service.rolloutPercent());
        return service;
    }

    @Override
    public ServiceState rollout(int percent) {
        asked.add("rollout " + percent);
        service = new ServiceState(service.allOff(), false, service.channelsOff(), List.of(), percent);
        return service;
    }

    @Override
    public DrainProgress drain(int delayMs, List<String> endpoints) {
        asked.add("drain " + delayMs + " " + endpoints);
        return drain.next();
    }

    @Override
    public DrainProgress drainProgress() {
        return drain.next();
    }

    @Override
    public List<SubscriptionsOutcome> replaceSubscriptions(SubscriptionsOrder order) {
        lastOrder = order;
        return List.of(
                new SubscriptionsOutcome(
                        "c1",
                        "phone",
                        true,
                        order.topics().size() - 1,
                        4,
                        List.of(new SubscriptionsOutcome.Refusal("feed:secret", 1005, "no right"))),
                new SubscriptionsOutcome("c2", "old\u001b[31m", false, 0, 0, List.of()));
    }

    @Override
    public boolean isReady() {
        return ready;
    }
}
