package hermod.broker;

import hermod.broker.admin.AdminConfig;
import hermod.broker.admission.AdmissionConfig;
import hermod.broker.admission.ServiceConfig;
import hermod.broker.audit.AuditConfig;
import hermod.broker.config.Setting;
import hermod.broker.engine.embedded.JournalConfig;
import hermod.broker.engine.embedded.StoreConfig;
import hermod.broker.filter.FilterConfig;
import hermod.broker.group.GroupConfig;
import hermod.broker.history.HistoryConfig;
import hermod.broker.metrics.MetricsConfig;
import hermod.broker.outbox.OutboxConfig;
import hermod.broker.safety.SafetyConfig;
import hermod.broker.schedule.ScheduleConfig;
import hermod.broker.session.PublishConfig;
import hermod.broker.session.RedeliveryConfig;
import hermod.broker.session.SessionConfig;
import hermod.broker.shard.ShardConfig;
import hermod.broker.topic.BatchingConfig;
import hermod.broker.topic.ChannelPolicies;
import hermod.broker.topic.TopicConfig;
import hermod.broker.transport.TransportConfig;
import hermod.protocol.TopicName;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * Everything a broker is told at start. Immutable; what two sections say together is checked here.
 *
 * @param dev development mode; only a flag sets it, never a file: local clients need no token, and all listeners are on loopback.
 */
public record BrokerConfig(
        @Setting(text = "Directory of everything the broker keeps; made with mode 0700 when missing.")
        Path dataDir,

        boolean dev,

        @Setting(
                unit = "ms",
                min = 0,
                max = 60_000,
                text =
                        "Time spent before the ready line on events to and from itself, so that the code clients need is compiled when they come; 0 for none. Too "
                                + "short makes the first seconds slower, too long the start.")
        int warmUpMs,

        @Setting(min = 1, max = 64, text = "Name of this broker's region, told to clients in WELCOME.")
        String homeRegion,

        @Setting(text = "Listeners, and what a stranger may cost.")
        TransportConfig transport,

        @Setting(text = "Who may come in: how tokens are checked.")
        AdmissionConfig admission,

        @Setting(text = "What one connected client may do, and when it counts as gone.")
        SessionConfig session,

        @Setting(text = "Filters of subscriptions, and how they are replaced.")
        FilterConfig filter,

        @Setting(text = "What a publisher may have under way, and how much of it may be URGENT.")
        PublishConfig publish,

        @Setting(text = "What is switched off at the start, and how the broker stops.")
        ServiceConfig service,

        @Setting(text = "Threads, and the rings between them.")
        ShardConfig shard,

        @Setting(text = "What one connection may be owed.") OutboxConfig outbox,

        @Setting(text = "How many topics there may be, and what each keeps.")
        TopicConfig topic,

        @Setting(
                text =
                        "Channels by name. An entry with a built-in name changes the keys it names and keeps the rest; any other name is a new channel "
                                + "and starts from the defaults below.")
        ChannelPolicies channels,

        @Setting(text = "When events of batched channels wait for each other, and are compressed.")
        BatchingConfig batching,

        @Setting(text = "The files in which durable events are written before they are acknowledged.")
        JournalConfig journal,

        @Setting(text = "The store behind the journal, from which history is read.")
        StoreConfig store,

        @Setting(text = "What pages of history may cost.") HistoryConfig history,

        @Setting(text = "Events for later.") ScheduleConfig schedule,

        @Setting(text = "Consumer groups, which read whole channels.")
        GroupConfig groups,

        @Setting(text = "When devices are sent again what they have not acknowledged.")
        RedeliveryConfig redelivery,

        @Setting(text = "What becomes of events of channels with acknowledged that nobody acknowledges.")
        SafetyConfig safety,

        @Setting(text = "Latency histograms.") MetricsConfig metrics,

        @Setting(text = "The operators' port.") AdminConfig admin,

        @Setting(text = "What the audit log may hold back in memory.")
        AuditConfig audit) {

    public BrokerConfig {
        int frameBytes = transport.frameLimitBytes();
        if (frameBytes > shard.ringMessageLimitBytes()) {
            throw new IllegalArgumentException("shard.ring-capacity-bytes is " + shard.ringCapacityBytes()
                    + "; one eighth of it must hold the largest frame, which is transport.payload-limit-bytes and 16 KiB: "
                    + frameBytes);
        }
        // A run is at most a chunk, or one event; each of its events has a head of its own in the journal.
        int appendBytes = frameBytes + 3 * topic.chunkBytes();
        if (appendBytes > Math.min(journal.ringBytes(), journal.urgentRingBytes()) / 8) {
            throw new IllegalArgumentException("journal.ring-bytes is " + journal.ringBytes()
                    + " and journal.urgent-ring-bytes " + journal.urgentRingBytes()
                    + "; one eighth of each must hold the largest append, which is the largest frame and three times topic.chunk-bytes: "
                    + appendBytes);
        }
        if (frameBytes > outbox.limitBytes() - outbox.urgentReserveBytes()) {
            throw new IllegalArgumentException("outbox.limit-bytes is " + outbox.limitBytes()
                    + "; without urgent-reserve-bytes it must hold the largest frame, which is transport.payload-limit-bytes and 16 KiB: "
                    + frameBytes);
        }
        if (history.pageLimitBytes() > outbox.limitBytes() / 2) {
            throw new IllegalArgumentException("history.page-limit-bytes is " + history.pageLimitBytes()
                    + "; it must be at most half of outbox.limit-bytes, which is " + outbox.limitBytes());
        }
        if (groups.fetchedLimitBytes() + frameBytes > outbox.limitBytes() / 2) {
            throw new IllegalArgumentException("groups.fetched-limit-bytes is " + groups.fetchedLimitBytes()
                    + "; with the largest frame, " + frameBytes
                    + ", it must be at most half of outbox.limit-bytes, which is "
                    + outbox.limitBytes());
        }
        for (String channel : service.channelsOff()) {
            if (channels.of(channel) == null) {
                throw new IllegalArgumentException("service.channels-off has '" + channel
                        + "', and there is no such channel; there are: "
                        + String.join(", ", channels.byName().keySet()));
            }
        }
        if (safety.hasTopic()) {
            String channel = TopicName.of(safety.escalationTopic()).channel();
            if (channels.of(channel) == null) {
                throw new IllegalArgumentException("safety.escalation-topic is '" + safety.escalationTopic()
                        + "', and there is no such channel; there are: "
                        + String.join(", ", channels.byName().keySet()));
            }
        }
        if (dev && !transport.isLoopback()) {
            throw new IllegalArgumentException(
                    "transport.host is " + transport.host() + "; with --dev it must be a loopback address");
        }
    }

    public static BrokerConfig defaults() {
        return new BrokerConfig(
                Path.of(System.getProperty("user.home", "."), ".hermod"),
                false,
                1_000,
                "local",
                TransportConfig.defaults(),
                AdmissionConfig.defaults(),
                SessionConfig.defaults(),
                FilterConfig.defaults(),
                PublishConfig.defaults(),
                ServiceConfig.defaults(),
                ShardConfig.defaults(),
                OutboxConfig.defaults(),
                TopicConfig.defaults(),
                ChannelPolicies.defaults(),
                BatchingConfig.defaults(),
                JournalConfig.defaults(),
                StoreConfig.defaults(),
                HistoryConfig.defaults(),
                ScheduleConfig.defaults(),
                GroupConfig.defaults(),
                RedeliveryConfig.defaults(),
                SafetyConfig.defaults(),
                MetricsConfig.defaults(),
                AdminConfig.defaults(),
                AuditConfig.defaults());
    }

    /** The same with development mode switched on or off. */
    BrokerConfig withDev(boolean dev) {
        return new BrokerConfig(
                dataDir,
                dev,
                warmUpMs,
                homeRegion,
                transport,
                admission,
                session,
                filter,
                publish,
                service,
                shard,
                outbox,
                topic,
                channels,
                batching,
                journal,
                store,
                history,
                schedule,
                groups,
                redelivery,
                safety,
                metrics,
                admin,
                audit);
    }

    /** SHA-256 of all settings as they are in force, in hex digits: the same for the same settings, over restarts. */
    String sha256() {
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256")
                            .digest(toString().getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException("every JDK has SHA-256", impossible);
        }
    }

    /** Makes the data directory, for its owner only, where it is missing. */
    void createDataDir() throws IOException {
        if (Files.isDirectory(dataDir)) {
            return;
        }
        try {
            if (FileSystems.getDefault().supportedFileAttributeViews().contains("posix")) {
                Files.createDirectories(
                        dataDir, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            } else {
                Files.createDirectories(dataDir);
            }
        } catch (IOException failed) {
            throw new IOException("the data directory " + dataDir + " can't be made: " + failed, failed);
        }
    }
}
