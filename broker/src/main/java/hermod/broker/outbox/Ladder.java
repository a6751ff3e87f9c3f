package hermod.broker.outbox;

import hermod.broker.shard.RunsOn;
import java.util.Locale;

/**
 * What becomes of a connection that does not take what it is owed, step by step, and back.
 *
 * <pre>
 *   HEALTHY ◀──all read──▶ CONFLATING ──behind too long, or too often──▶ QUARANTINED ──nothing taken──▶ PARKED ──still nothing──▶ closed
 *      ▲                                                                  │   ▲                          │
 *      └────────── nothing owed for a while, or its time is over ─────────┘   └───── something taken ────┘
 * </pre>
 *
 * <p>CONFLATING: a subscription is behind and reads on from its topic's replay window; channels that conflate leave superfluous events out. QUARANTINED: sheddable channels are sent nothing; the gaps are announced. PARKED: nothing below URGENT
 * is queued; it waits in the windows until the connection takes something again. Closed: only where the socket itself takes nothing; a client that grants no credit is alive, and parked it costs nothing.
 */
@RunsOn(RunsOn.Owner.SHARD)
public final class Ladder {
    /** Where a connection stands. */
    public enum Rung {
        HEALTHY,
        CONFLATING,
        QUARANTINED,
        PARKED;

        /** The name operators see. */
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** What a connection waits for. */
    public enum Cause {
        /** Nothing. */
        NONE,
        /** Its socket does not take more: the network or the client's reading. */
        SOCKET,
        /** The client has granted no credit for a second: its handlers stand still. */
        CREDIT,
        /** The client grants credit, but slower than events come: its handlers are behind. */
        HANDLER,
        /** Nothing any more: it is reading what it missed. */
        CATCHING_UP;

        /** The name operators see. */
        public String label() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }
    }

    /** What is to be done now. */
    public enum Step {
        STAY,
        QUARANTINE,
        PARK,
        RELEASE,
        CLOSE
    }

    private static final long NS_PER_MS = 1_000_000;
    private static final long GRANT_NS = 1_000 * NS_PER_MS;

    private final OutboxConfig config;
    private Rung rung = Rung.HEALTHY;
    private Cause cause = Cause.NONE;
    private long sinceNs;
    private long behindSinceNs;
    private boolean isBehind;
    private long windowStartNs;
    private long overrunsAtStart;
    private long enteredNs;
    private long healthySinceNs;
    private boolean isHealthy;
    private long takenBytes;
    private long takenNs;
    private boolean isStarted;

    public Ladder(OutboxConfig config) {
        this.config = config;
    }

    public Rung rung() {
        return rung;
    }

    public Cause cause() {
        return cause;
    }

    /** When it came to this rung, on the monotonic clock. */
    public long sinceNs() {
        return sinceNs;
    }

    /** To be called every few hundred ms. */
    public Step look(long nowNs, Outbox outbox) {
        if (!isStarted) {
            isStarted = true;
            sinceNs = nowNs;
            windowStartNs = nowNs;
            takenNs = nowNs;
        }
        boolean owes = outbox.owesEvents();
        if (outbox.takenBytes() != takenBytes || !owes) {
            takenBytes = outbox.takenBytes();
            takenNs = nowNs;
        }
        cause = causeOf(nowNs, outbox, owes);
        return switch (rung) {
            case HEALTHY, CONFLATING -> lookWhileServed(nowNs, outbox);
            case QUARANTINED -> lookInQuarantine(nowNs, outbox, owes);
            case PARKED -> lookWhileParked(nowNs, outbox);
        };
    }

    private static Cause causeOf(long nowNs, Outbox outbox, boolean owes) {
        if (!owes) {
            return Cause.NONE;
        }
        if (outbox.isCongested()) {
            return Cause.SOCKET;
        }
        if (outbox.lacksCredit()) {
            return nowNs - outbox.grantedNs() < GRANT_NS ? Cause.HANDLER : Cause.CREDIT;
        }
        return outbox.behindCount() > 0 ? Cause.CATCHING_UP : Cause.NONE;
    }

    private Step lookWhileServed(long nowNs, Outbox outbox) {
        if (outbox.behindCount() == 0) {
            isBehind = false;
            move(Rung.HEALTHY, nowNs);
        } else {
            if (!isBehind) {
                isBehind = true;
                behindSinceNs = nowNs;
            }
            move(Rung.CONFLATING, nowNs);
        }
        if (nowNs - windowStartNs > config.overrunWindowMs() * NS_PER_MS) {
            windowStartNs = nowNs;
            overrunsAtStart = outbox.overrunCount();
        }
        boolean isTooLong = isBehind && nowNs - behindSinceNs >= config.quarantineAfterMs() * NS_PER_MS;
        boolean isTooOften = outbox.overrunCount() - overrunsAtStart >= config.quarantineAfterOverruns();
        if (!isTooLong && !isTooOften) {
            return Step.STAY;
        }
        move(Rung.QUARANTINED, nowNs);
        enteredNs = nowNs;
        isHealthy = false;
        return Step.QUARANTINE;
    }

    private Step lookInQuarantine(long nowNs, Outbox outbox, boolean owes) {
        if (nowNs - takenNs >= config.parkAfterMs() * NS_PER_MS) {
            move(Rung.PARKED, nowNs);
            return Step.PARK;
        }
        if (owes) {
            isHealthy = false;
        } else if (!isHealthy) {
            isHealthy = true;
            healthySinceNs = nowNs;
        }
        boolean isRecovered = isHealthy && nowNs - healthySinceNs >= config.recoverMs() * NS_PER_MS;
        boolean isOver = nowNs - enteredNs >= config.quarantineMs() * NS_PER_MS && outbox.behindCount() == 0;
        if (!isRecovered && !isOver) {
            return Step.STAY;
        }
        isBehind = false;
        windowStartNs = nowNs;
        overrunsAtStart = outbox.overrunCount();
        move(Rung.HEALTHY, nowNs);
        return Step.RELEASE;
    }

    private Step lookWhileParked(long nowNs, Outbox outbox) {
        if (takenNs == nowNs) {
            enteredNs = nowNs;
            isHealthy = false;
            move(Rung.QUARANTINED, nowNs);
            return Step.STAY;
        }
        boolean isDead = cause == Cause.SOCKET || outbox.isCongested();
        return isDead && nowNs - takenNs >= config.closeAfterMs() * NS_PER_MS ? Step.CLOSE : Step.STAY;
    }

    private void move(Rung to, long nowNs) {
        if (rung != to) {
            rung = to;
            sinceNs = nowNs;
        }
    }
}
