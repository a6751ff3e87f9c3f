package hermod.client.internal;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Counts what listeners throw and logs it once per distinct cause. Any thread. */
final class ListenerFaults {
    private static final Logger LOG = LoggerFactory.getLogger("hermod.client");
    private static final int CAUSES_MAX = 100;

    private final AtomicLong count = new AtomicLong();
    private final Set<String> seen = ConcurrentHashMap.newKeySet();

    void add(String topic, Throwable fault) {
        count.incrementAndGet();
        StackTraceElement[] trace = fault.getStackTrace();
        String cause = fault.getClass().getName() + (trace.length == 0 ? "" : " at " + trace[0]);
        if (seen.size() < CAUSES_MAX && seen.add(cause)) {
            LOG.warn(
                    "a listener failed and goes on; this cause is logged once: topic={}, cause={}",
                    topic,
                    cause,
                    fault);
        }
    }

    long count() {
        return count.get();
    }
}
