package hermod.broker.shard;

import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import java.lang.invoke.VarHandle;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * One thread's worth of the broker: an event loop that reads its sockets and then takes turns.
 *
 * <pre>
 *   turn:  drain rings, highest lane first  →  emit runs  →  drain again  →  write and flush each dirty socket once
 * </pre>
 *
 * <p>Whoever changes something on the shard's own thread asks for a turn with {@link #requestTurn}; another thread offers a record to {@link #rings} and
 * calls {@link #wake}, which costs a wake-up only when the loop sleeps. All else is the shard's thread only.
 */
@RunsOn(Owner.SHARD)
public final class Shard {
    /** How often {@link RingHandler#onTick} comes, in ms. */
    public static final int TICK_MS = 100;

    private static final int DRAIN_ROUNDS_MAX = 64;

    /** A wake-up is moved forward only by more than this, so that at most so many are outstanding in a given time. */
    private static final long TIMER_GRAIN_NS = 1_000_000;

    /** Runs a task on the loop after a delay; {@code transport} has one. */
    public interface Timer {
        /** @param delayNs from now, not below 0. */
        void schedule(Runnable task, long delayNs);
    }

    private final int index;
    private final int turnRecordLimitCount;
    private final PriorityRings rings;
    private final ShardClock clock;
    private final AtomicBoolean isWoken = new AtomicBoolean();
    private final Runnable turnTask = this::runTurn;
    private final Runnable wakeTask = this::onWake;
    private final Runnable timerTask = this::onTimer;
    private @Nullable Executor loop;
    private @Nullable Timer timer;
    private @Nullable Thread thread;
    private @Nullable RingHandler handler;
    /** Shards that found a ring of this one full; a set, so bounded by the shards there are. */
    private final Set<Shard> askers = ConcurrentHashMap.newKeySet();

    private boolean isTurnRequested;
    private boolean isInTurn;
    private boolean isTimerSet;
    private long timerNs;
    private long turnCount;

    public Shard(int index, ShardConfig config) {
        this(index, config, new ShardClock());
    }

    /** With a clock of a test's own. */
    public Shard(int index, ShardConfig config, ShardClock clock) {
        this.index = index;
        this.clock = clock;
        clock.anchor();
        this.turnRecordLimitCount = config.turnRecordLimitCount();
        this.rings = new PriorityRings(config.ringCapacityBytes());
    }

    /**
     * Gives the shard its event loop and its work; to be called once, before any socket is its.
     *
     * @param loop runs what it is given in order on one thread; the shard's.
     */
    public void start(Executor loop, RingHandler handler) {
        start(loop, (task, delayNs) -> {}, handler);
    }

    /**
     * The same with a timer.
     *
     * @param timer for {@link #wakeAt}; runs its tasks on the loop. Without one what waits for a time is looked at on the tick.
     */
    public void start(Executor loop, Timer timer, RingHandler handler) {
        this.loop = loop;
        this.timer = timer;
        this.handler = handler;
        loop.execute(() -> thread = Thread.currentThread());
    }

    /** From 0. Any thread. */
    public int index() {
        return index;
    }

    /** The shard's rings; {@link PriorityRings#offer} from any thread, followed by {@link #wake}. */
    public PriorityRings rings() {
        return rings;
    }

    public ShardClock clock() {
        return clock;
    }

    /** Whether the caller is on this shard's thread. */
    public boolean isCurrent() {
        return Thread.currentThread() == thread;
    }

    /** Turns taken so far. */
    public long turnCount() {
        return turnCount;
    }

    /** Runs something rare on the shard's thread; any thread. Events never go this way. */
    public void execute(Runnable task) {
        Executor executor = loop;
        if (executor == null) {
            throw new IllegalStateException("shard not started: index=" + index);
        }
        executor.execute(task);
    }

    /**
     * Offers a record to this shard and wakes it.
     *
     * @return false when the lane's ring is full.
     */
    public boolean offer(Priority lane, int recordType, ByteBuf record, int at, int bytes) {
        if (!rings.offer(lane, recordType, record, at, bytes)) {
            return false;
        }
        if (isCurrent()) {
            requestTurn();
        } else {
            wake();
        }
        return true;
    }

    /** Makes sure that a turn follows soon; any thread. Many calls before it cost one wake-up. */
    public void wake() {
        // The record's commit must not be seen later than this look: a turn that has just begun would miss it, and
        // nobody be woken. (The turn's last look at the rings would find its claim; WakeStress fails without both.)
        VarHandle.fullFence();
        if (!isWoken.get() && isWoken.compareAndSet(false, true)) {
            execute(wakeTask);
        }
    }

    /** Wakes the asker after this shard's next turn, which makes room in its rings; any thread. An asker that comes too late for that is helped by its own tick. */
    public void wakeAfterTurn(Shard asker) {
        askers.add(asker);
    }

    private void onWake() {
        isWoken.set(false);
        clock.update();
        runTurn();
    }

    /** Makes sure that a turn follows once the sockets that are ready have been read; the shard's thread only. */
    public void requestTurn() {
        assert isCurrent() : "turn requested off its shard";
        if (!isTurnRequested && !isInTurn) {
            isTurnRequested = true;
            execute(turnTask);
        }
    }

    /** Has {@link RingHandler#onTimer} called at that time of the monotonic clock or up to 1 ms later, unless it will be anyway; the shard's thread only. */
    public void wakeAt(long atNs) {
        Timer set = timer;
        if (set == null || (isTimerSet && timerNs - atNs <= TIMER_GRAIN_NS)) {
            return;
        }
        isTimerSet = true;
        timerNs = atNs;
        set.schedule(timerTask, Math.max(0, atNs - ShardClock.monotonicNs()));
    }

    private void onTimer() {
        clock.update();
        if (isTimerSet && timerNs - clock.nowNs() > TIMER_GRAIN_NS) {
            // Asked for before an earlier one was, which has come since and asked anew.
            return;
        }
        isTimerSet = false;
        RingHandler work = handler;
        if (work != null) {
            work.onTimer();
        }
    }

    /** Takes a turn at once: for a read batch so large that waiting would fill the outboxes. */
    public void turnNow() {
        if (!isInTurn) {
            runTurn();
        }
    }

    private void runTurn() {
        RingHandler work = handler;
        if (work == null || isInTurn) {
            return;
        }
        isTurnRequested = false;
        isInTurn = true;
        try {
            turnCount++;
            int left = turnRecordLimitCount;
            for (int round = 0; round < DRAIN_ROUNDS_MAX && left > 0; round++) {
                int drained = rings.drain(work, left);
                left -= drained;
                work.onDrained();
                if (drained == 0 && rings.isEmpty()) {
                    break;
                }
            }
            work.onTurnEnd();
        } finally {
            isInTurn = false;
        }
        if (!askers.isEmpty()) {
            for (Shard asker : askers) {
                askers.remove(asker);
                asker.wake();
            }
        }
        if (!rings.isEmpty()) {
            requestTurn();
        }
    }

    /** One tick: the owner of the loop calls it every {@link #TICK_MS}. */
    public void tick() {
        clock.anchor();
        RingHandler work = handler;
        if (work != null) {
            work.onTick();
            requestTurn();
        }
    }
}
