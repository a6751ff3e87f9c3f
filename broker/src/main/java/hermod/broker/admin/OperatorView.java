package hermod.broker.admin;

import hermod.broker.metrics.BrokerStats;
import hermod.broker.metrics.ConnectionStats;
import hermod.broker.metrics.GroupStats;
import hermod.broker.metrics.SlowConnections;
import hermod.broker.metrics.TopicStats;
import java.util.List;

/** What an operator can see of a running broker. Called on the admin port's threads; each answer is a snapshot and may be some milliseconds old. */
public interface OperatorView {
    BrokerStats stats();

    /** Open connections, perhaps only the first ones. */
    List<ConnectionStats> connections();

    /** The slowest consumers among all open connections. */
    SlowConnections slowest();

    /**
     * Topics that are alive.
     *
     * @param org the tenant, or the empty string for all.
     * @param topic a whole name, or the empty string for all; perhaps only the first ones.
     */
    List<TopicStats> topics(String org, String topic);

    /** Consumer groups, by org, channel and name; perhaps only the first ones. */
    List<GroupStats> groups();

    /** Whether clients are served: false while starting and stopping. */
    boolean isReady();
}
