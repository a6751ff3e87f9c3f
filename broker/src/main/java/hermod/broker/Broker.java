package hermod.broker;

import hermod.broker.admin.AdminApi;
import hermod.broker.admin.BuildVersion;
import hermod.broker.admin.OperatorView;
import hermod.broker.config.ConfigException;
import hermod.broker.metrics.BrokerStats;
import hermod.broker.metrics.ChannelStats;
import hermod.broker.metrics.ConnectionStats;
import hermod.broker.metrics.LatencySummary;
import hermod.broker.metrics.TopicStats;
import java.io.IOException;
import java.util.List;
import java.util.Map;

/** A running broker. For now only its admin port. */
public final class Broker implements AutoCloseable {
    /** Where the broker listens, as HOST:PORT with the ports that were really bound. */
    public record ReadyAddresses(String tcp, String ws, String admin) {}

    private final BrokerConfig config;
    private final AdminApi admin;

    private Broker(BrokerConfig config) throws IOException {
        this.config = config;
        admin = AdminApi.start(config.admin(), new Empty());
    }

    /**
     * @throws IOException with a sentence for the operator if a port or a file can't be had.
     * @throws ConfigException if a key can't be used.
     */
    public static Broker start(BrokerConfig config) throws IOException, ConfigException {
        config.createDataDir();
        return new Broker(config);
    }

    public ReadyAddresses addresses() {
        String host = config.transport().host();
        return new ReadyAddresses(
                host + ":" + config.transport().port(),
                host + ":" + config.transport().wsPort(),
                admin.address());
    }

    @Override
    public void close() {
        admin.close();
    }

    private final class Empty implements OperatorView {
        @Override
        public BrokerStats stats() {
            List<ChannelStats> channels = config.channels().byName().entrySet().stream()
                    .map(one -> new ChannelStats(
                            one.getKey(),
                            one.getValue().lane().name(),
                            one.getValue().durability().name(),
                            one.getValue().durability().isOnDisk(),
                            one.getValue().tier(),
                            0,
                            0,
                            0,
                            0,
                            0,
                            0,
                            LatencySummary.EMPTY,
                            LatencySummary.EMPTY,
                            LatencySummary.EMPTY,
                            LatencySummary.EMPTY,
                            one.getValue().goalP95Us(),
                            "idle"))
                    .toList();
            return new BrokerStats(BuildVersion.text(), 0, 0, 1, 0, 0, Map.of(), channels);
        }

        @Override
        public List<ConnectionStats> connections() {
            return List.of();
        }

        @Override
        public List<TopicStats> topics(String org, String topic) {
            return List.of();
        }

        @Override
        public boolean isReady() {
            return true;
        }
    }
}
