package hermod.client.internal;

import hermod.client.HermodException;
import hermod.client.ServiceListener;
import hermod.client.ServiceStatus;
import hermod.protocol.ErrorCode;
import hermod.protocol.control.wire.ChannelOff;
import hermod.protocol.control.wire.Service;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What the broker has switched off, and who is told. The loop writes; any thread reads and adds listeners. */
final class ServiceNews {
    private static final Logger LOG = LoggerFactory.getLogger("hermod.client");

    private final Completions completions;
    private final CopyOnWriteArrayList<ServiceListener> listeners = new CopyOnWriteArrayList<>();
    private volatile ServiceStatus status = ServiceStatus.ALL_ON;

    ServiceNews(Completions completions) {
        this.completions = completions;
    }

    ServiceStatus status() {
        return status;
    }

    void addListener(ServiceListener listener) {
        listeners.addIfAbsent(listener);
    }

    void removeListener(ServiceListener listener) {
        listeners.remove(listener);
    }

    void onTold(Service told) {
        become(statusOf(told));
    }

    /** A WELCOME told of nothing that is off. */
    void onNothingOff() {
        become(ServiceStatus.ALL_ON);
    }

    private void become(ServiceStatus now) {
        ServiceStatus before = status;
        status = now;
        if (!now.equals(before)) {
            for (ServiceListener listener : listeners) {
                completions.add(() -> tell(listener, now));
            }
        }
    }

    private static void tell(ServiceListener listener, ServiceStatus now) {
        try {
            listener.onServiceChange(now);
        } catch (RuntimeException fault) {
            LOG.warn("a service listener failed", fault);
        }
    }

    /** Why nothing can be published to a topic now; null where it can. Any thread; most calls end at the first look. */
    @Nullable
    HermodException refusalOf(String topic) {
        ServiceStatus now = status;
        if (now == ServiceStatus.ALL_ON) {
            return null;
        }
        String reason = now.offReason(channelOf(topic));
        return reason == null ? null : new HermodException(ErrorCode.NOT_ENABLED, reason + " (topic " + topic + ")");
    }

    static String channelOf(String topic) {
        return topic.substring(0, Math.max(0, topic.indexOf(':')));
    }

    private static ServiceStatus statusOf(Service told) {
        Map<String, String> off = new HashMap<>();
        for (ChannelOff channel : told.getChannelsOffList()) {
            off.put(channel.getChannel(), channel.getReason());
        }
        ServiceStatus status = new ServiceStatus(
                told.getEnabled(),
                told.getReason(),
                new HashSet<>(told.getChannelsOnList()),
                off,
                new HashSet<>(told.getFeaturesOffList()));
        return status.equals(ServiceStatus.ALL_ON) ? ServiceStatus.ALL_ON : status;
    }
}
