package hermod.client.internal;

import hermod.client.BrokerLimits;
import hermod.client.ConnectionInfo;
import hermod.client.ConnectionQuality;
import hermod.client.ConnectionState;
import hermod.client.ConnectionStateListener;
import hermod.client.HermodException;
import hermod.protocol.control.wire.Welcome;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a client shows of its connection, and who is told when its state changes. The loop writes; any thread reads snapshots and adds listeners. */
final class Standing {
    private static final Logger LOG = LoggerFactory.getLogger("hermod.client");

    private final Completions completions;
    private final ClockEstimate clock;
    private final RoundTrips roundTrips;
    private final CopyOnWriteArrayList<ConnectionStateListener> listeners = new CopyOnWriteArrayList<>();
    private volatile ConnectionState state = ConnectionState.DISCONNECTED;
    private volatile ConnectionInfo info;

    private Welcome welcome = Welcome.getDefaultInstance();
    private @Nullable BrokerLimits limits;
    private int missedHeartbeats;
    private int reconnectAttempts;

    Standing(Completions completions, ClockEstimate clock, RoundTrips roundTrips) {
        this.completions = completions;
        this.clock = clock;
        this.roundTrips = roundTrips;
        info = snapshot(ConnectionState.DISCONNECTED, clock, roundTrips);
    }

    void addListener(ConnectionStateListener listener) {
        listeners.addIfAbsent(listener);
    }

    void removeListener(ConnectionStateListener listener) {
        listeners.remove(listener);
    }

    ConnectionState state() {
        return state;
    }

    ConnectionInfo info() {
        return info;
    }

    void onWelcome(Welcome newWelcome, BrokerLimits newLimits) {
        welcome = newWelcome;
        limits = newLimits;
        reconnectAttempts = 0;
    }

    void serviceEnabled(boolean isEnabled) {
        if (welcome.getServiceEnabled() != isEnabled) {
            welcome = welcome.toBuilder().setServiceEnabled(isEnabled).build();
            refresh();
        }
    }

    void reconnectAttempts(int count) {
        reconnectAttempts = count;
    }

    void missedHeartbeats(int count) {
        if (missedHeartbeats != count) {
            missedHeartbeats = count;
            refresh();
        }
    }

    void become(ConnectionState next, @Nullable HermodException cause) {
        ConnectionState before = state;
        state = next;
        refresh();
        if (before == next) {
            return;
        }
        for (ConnectionStateListener listener : listeners) {
            completions.add(() -> tell(listener, before, next, cause));
        }
    }

    private static void tell(
            ConnectionStateListener listener,
            ConnectionState before,
            ConnectionState next,
            @Nullable HermodException cause) {
        try {
            listener.onStateChange(before, next, cause);
        } catch (RuntimeException fault) {
            LOG.warn("a state listener failed: from={}, to={}", before, next, fault);
        }
    }

    /** Takes a new snapshot; to be called when something of it has changed. */
    void refresh() {
        info = snapshot(state, clock, roundTrips);
    }

    private ConnectionInfo snapshot(ConnectionState now, ClockEstimate clockNow, RoundTrips tripsNow) {
        boolean isConnected = now == ConnectionState.CONNECTED;
        long smoothedUs = tripsNow.smoothedUs();
        return new ConnectionInfo(
                welcome.getConnectionId(),
                now,
                isConnected ? tripsNow.quality(missedHeartbeats) : ConnectionQuality.UNKNOWN,
                smoothedUs < 0 ? null : Duration.of(smoothedUs, ChronoUnit.MICROS),
                clockNow.offsetUs(),
                clockNow.errorUs(),
                reconnectAttempts,
                welcome.getUserId(),
                welcome.getOrg(),
                welcome.getHomeRegion(),
                welcome.getServiceEnabled(),
                limits);
    }
}
