package hermod.broker;

import hermod.broker.admin.DrainProgress;
import hermod.broker.admission.ServiceConfig;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.session.Departure;
import hermod.broker.session.Sessions;
import hermod.broker.shard.ShardClock;
import hermod.broker.transport.Transport;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;

/**
 * Stops a broker so that nothing it has acknowledged is missed by a subscriber that is connected.
 *
 * <pre>
 *   listeners closed → nothing more taken from any client → what was taken goes through batching windows and rings → outboxes empty, nobody behind → CLOSE, each
 * </pre>
 *
 * <p>One thread runs it, which may wait; any other may ask how far it is.
 */
final class Drain {
    /** A record makes at most three more, one behind the other, on other shards; looking at all shards as often as that with nothing found means nothing is left. */
    private static final int QUIET_LOOKS = 4;

    private static final long LOOK_EVERY_NS = TimeUnit.MILLISECONDS.toNanos(2);
    private static final int LINGER_MS = 2_000;

    private final ServiceConfig config;
    private final Transport transport;
    private final List<Dispatch> dispatches;
    private final List<Sessions> sessions;
    private final AtomicBoolean isBegun = new AtomicBoolean();
    private volatile String phase = DrainProgress.SERVING;
    private volatile int waiting;

    Drain(ServiceConfig config, Transport transport, List<Dispatch> dispatches, List<Sessions> sessions) {
        this.config = config;
        this.transport = transport;
        this.dispatches = dispatches;
        this.sessions = sessions;
    }

    /** Whether the caller is the one to run it. */
    boolean begin() {
        return isBegun.compareAndSet(false, true);
    }

    DrainProgress progress() {
        return new DrainProgress(phase, transport.connectionCount(), waiting);
    }

    /** @param delayMs and {@code endpoints} as in {@code OperatorControls.drain}. */
    void run(int delayMs, List<String> endpoints) {
        Departure departure = new Departure(
                delayMs == 0 ? config.drainDelayMs() : delayMs,
                endpoints.isEmpty() ? config.endpoints() : endpoints,
                config.wsEndpoints(),
                LINGER_MS);
        long deadlineNs = ShardClock.monotonicNs() + TimeUnit.MILLISECONDS.toNanos(config.drainFlushMs());
        phase = DrainProgress.SETTLING;
        waiting = transport.connectionCount();
        transport.stopListening();
        for (int i = 0; i < sessions.size(); i++) {
            Sessions onShard = sessions.get(i);
            Broker.ask(
                    dispatches.get(i),
                    on -> {
                        onShard.beginDrain();
                        return true;
                    },
                    false);
        }
        settle(deadlineNs);
        phase = DrainProgress.FLUSHING;
        flush(departure, deadlineNs);
        long lingerUntilNs = ShardClock.monotonicNs() + TimeUnit.MILLISECONDS.toNanos(LINGER_MS);
        while (transport.connectionCount() > 0 && isBefore(lingerUntilNs)) {
            LockSupport.parkNanos(LOOK_EVERY_NS);
        }
        phase = DrainProgress.DRAINED;
    }

    private void settle(long deadlineNs) {
        int looks = 0;
        while (looks < QUIET_LOOKS && isBefore(deadlineNs)) {
            boolean isQuiet = true;
            for (Dispatch dispatch : dispatches) {
                isQuiet &= Broker.ask(dispatch, Drain::isQuiet, true);
            }
            looks = isQuiet ? looks + 1 : 0;
            if (!isQuiet) {
                LockSupport.parkNanos(LOOK_EVERY_NS);
            }
        }
    }

    private static boolean isQuiet(Dispatch dispatch) {
        dispatch.endBatches();
        return dispatch.isQuiet();
    }

    private void flush(Departure departure, long deadlineNs) {
        while (true) {
            boolean isLast = !isBefore(deadlineNs);
            int left = 0;
            for (int i = 0; i < sessions.size(); i++) {
                Sessions onShard = sessions.get(i);
                left += Broker.ask(dispatches.get(i), on -> onShard.sendAway(departure, isLast), 0);
            }
            waiting = left;
            if (left == 0) {
                return;
            }
            LockSupport.parkNanos(LOOK_EVERY_NS);
        }
    }

    private static boolean isBefore(long deadlineNs) {
        return ShardClock.monotonicNs() - deadlineNs < 0;
    }
}
