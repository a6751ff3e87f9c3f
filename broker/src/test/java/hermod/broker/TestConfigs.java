package hermod.broker;

import hermod.broker.shard.ShardConfig;
import hermod.broker.transport.TransportConfig;
import java.nio.file.Path;

/** Configurations for brokers inside a test: free ports, a directory of their own. */
public final class TestConfigs {
    private TestConfigs() {}

    /** Development mode with so many shards. */
    public static BrokerConfig dev(Path dataDir, int shardCount) {
        return of(dataDir, shardCount, true);
    }

    public static BrokerConfig of(Path dataDir, int shardCount, boolean isDev) {
        BrokerConfig defaults = BrokerConfig.defaults();
        TransportConfig transport = defaults.transport();
        ShardConfig shard = defaults.shard();
        return new BrokerConfig(
                dataDir,
                isDev,
                defaults.homeRegion(),
                new TransportConfig(
                        transport.host(),
                        transport.allowPlaintext(),
                        0,
                        0,
                        transport.wsAllowedOrigins(),
                        transport.payloadLimitBytes(),
                        transport.handshakeTimeoutMs(),
                        transport.connectionsLimitCount(),
                        transport.connectionsPerAddressLimitCount(),
                        transport.connectionsPerUserLimitCount(),
                        transport.unauthenticatedLimitCount(),
                        transport.socketBurstBytes()),
                defaults.admission(),
                defaults.session(),
                new ShardConfig(shardCount, shard.ringCapacityBytes(), shard.turnRecordLimitCount()),
                defaults.outbox(),
                defaults.topic(),
                defaults.channels(),
                defaults.metrics(),
                defaults.admin());
    }
}
