package hermod.broker.safety;

import com.github.f4b6a3.ulid.Ulid;
import hermod.broker.audit.Actor;
import hermod.broker.audit.AuditLog;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.dispatch.Watch;
import hermod.broker.engine.Answer;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.KeyedState;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.session.Acknowledgements;
import hermod.broker.shard.ShardClock;
import hermod.broker.topic.HomeTopics;
import hermod.broker.topic.IncomingEvent;
import hermod.broker.topic.Topic;
import hermod.protocol.TopicName;
import hermod.protocol.frame.EventFields;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Watches the events of channels whose policy says {@code acknowledged}, and has those escalate that no device but their publisher's acknowledges in time.
 *
 * <pre>
 *  a topic's home ── taken ──▶ WAITING ──acknowledged by another device──▶ over
 *                                 │
 *                                 └─ time is over, nobody subscribed, too many wait ─▶ ESCALATING ──published, posted──▶ over
 * </pre>
 *
 * <p>One thread of its own has all of its state; shards, the engine and the webhook tell it through a queue, and it waits for none of them.
 *
 * <p><b>Over a restart.</b> Each event is kept in the engine's space {@value #SPACE} from the moment it was taken until it is over, so what waited when the broker ended waits on, by the wall clock, and what was escalating escalates again: with the same event id, by which
 * subscribers and the webhook's receiver can know it. The engine is asked as the event is fanned out and not before: of a process that is killed in that very moment the event may be stored and not watched. While the store fails all goes on from memory.
 *
 * <p>An event of the escalations' own topic is not watched, so nothing escalates twice.
 */
public final class Escalations implements Watch, Acknowledgements.Sink, AutoCloseable {
    static final String SPACE = "safety-waiting";

    private static final Logger LOG = LoggerFactory.getLogger(Escalations.class);
    private static final long LOOK_NS = TimeUnit.SECONDS.toNanos(1);
    private static final long RETRY_NS = TimeUnit.MILLISECONDS.toNanos(100);

    /** Between two looks at the time. */
    private static final int TASKS_PER_TURN = 1_024;

    private static final long CLOSE_MS_MAX = 2_000;
    private static final int PAGE_COUNT = 1_000;

    /** What is kept of an event that was forgotten, by whatever mistake. */
    private static final long KEPT_US = TimeUnit.DAYS.toMicros(7);

    /** Acknowledgements told and not looked at yet. */
    private static final int TOLD_COUNT_MAX = 65_536;

    /** Of WARN lines in a second; an alarm that is one of a thousand is read no better for the other lines. */
    private static final int LINES_PER_SECOND = 20;

    /** An event under watch. */
    private static final class Waiting {
        final WatchedEvent event;
        final int shard;
        final long deadlineNs;
        final long number;

        /** Why it escalates; null while it waits. */
        @Nullable
        Reason reason;

        /** What is still to be done of its escalation. */
        int parts;

        Waiting(WatchedEvent event, int shard, long deadlineNs, long number) {
            this.event = event;
            this.shard = shard;
            this.deadlineNs = deadlineNs;
            this.number = number;
        }
    }

    /** Something that is tried again. */
    private record Retry(Waiting of, Runnable task) {}

    private final SafetyConfig config;
    private final KeyedState state;
    private final ShardMetrics metrics;
    private final @Nullable Webhook webhook;
    private final Queue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final Thread thread = new Thread(this::run, "hermod-safety");

    /** Events that wait, by their topics' home shards: taken by the shard, given back by the thread. */
    private final AtomicIntegerArray waitingCounts;

    private final AtomicInteger escalatingCount = new AtomicInteger();
    private final AtomicInteger toldCount = new AtomicInteger();

    /** Escalations that were not made at all, since the thread looked last. */
    private final AtomicLong droppedCount = new AtomicLong();

    /** Whose herald was asked for. */
    private final Set<String> orgs = ConcurrentHashMap.newKeySet();

    private List<Dispatch> dispatches = List.of();
    private AuditLog audit = AuditLog.NONE;
    private volatile boolean isClosed;

    // ---- from here on the thread's

    private final Map<WatchedEvent, Waiting> all = new HashMap<>();
    private final TreeSet<Waiting> byDeadline = new TreeSet<>(
            Comparator.<Waiting>comparingLong(each -> each.deadlineNs).thenComparingLong(each -> each.number));
    private final Map<String, Herald> heralds = new HashMap<>();

    /** Those that escalate and are still to be told of. */
    private final ArrayDeque<Waiting> untold = new ArrayDeque<>();

    /** Escalations that may be told of now, and since when. */
    private double allowance;

    private long allowedNs;

    /** As many as there are events under watch, at most. */
    private ArrayDeque<Retry> retries = new ArrayDeque<>();

    /** Of events that are over and still stored; what does not fit escalates once more after a restart. */
    private final ArrayDeque<byte[]> leftovers = new ArrayDeque<>();

    /** Where reading what is stored goes on; null when all is read. */
    private byte @Nullable [] loadFrom = new byte[0];

    private boolean isLoading;

    /** Acknowledged, perhaps before they were read. */
    private final Set<WatchedEvent> acknowledgedMeanwhile = new HashSet<>();

    private long lookedNs;
    private long lastNumber;
    private int linesInSecond;
    private long linesLeftOut;

    /**
     * @param metrics of this thread alone.
     * @param secret of the webhook; null where there is none.
     */
    public Escalations(
            SafetyConfig config, int shardCount, KeyedState state, ShardMetrics metrics, byte @Nullable [] secret) {
        this.config = config;
        this.state = state;
        this.metrics = metrics;
        waitingCounts = new AtomicIntegerArray(shardCount);
        webhook = secret == null || config.webhookUrl().isEmpty()
                ? null
                : new Webhook(config, config.webhookUrl().get(), secret);
        thread.setDaemon(true);
    }

    /** To be called once, when the shards run and before clients are served. */
    public void start(List<Dispatch> shards, AuditLog log) {
        dispatches = List.copyOf(shards);
        audit = log;
        if (webhook != null) {
            webhook.start();
        }
        thread.start();
    }

    /** Watches no longer; what waits is kept in the engine. */
    @Override
    public void close() {
        isClosed = true;
        LockSupport.unpark(thread);
        if (webhook != null) {
            webhook.close();
        }
        try {
            thread.join(CLOSE_MS_MAX);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    // ---- shards

    @Override
    public void onHeld(Topic topic) {
        if (config.hasTopic() && !isEscalations(topic) && orgs.add(topic.org())) {
            post(() -> heraldOf(topic.org(), Herald::hold));
        }
    }

    private boolean isEscalations(Topic topic) {
        return topic.name().toString().equals(config.escalationTopic());
    }

    @Override
    public void onTaken(
            int shard, Topic topic, IncomingEvent event, int eventIdAt, long offset, boolean hasSubscriber) {
        if (isEscalations(topic)) {
            return;
        }
        long takenUs = ShardClock.wallUs();
        boolean hasRoom = waitingCounts.incrementAndGet(shard) <= config.waitingLimitCount();
        Reason reason = !hasSubscriber ? Reason.NO_SUBSCRIBER : hasRoom ? null : Reason.TOO_MANY_WAITING;
        if (reason != null && escalatingCount.get() >= config.waitingLimitCount()) {
            waitingCounts.decrementAndGet(shard);
            droppedCount.incrementAndGet();
            return;
        }
        if (reason != null) {
            escalatingCount.incrementAndGet();
        }
        WatchedEvent watched = new WatchedEvent(
                topic.org(),
                topic.name().toString(),
                offset,
                event.device,
                takenUs,
                eventId(topic, event, eventIdAt, offset));
        long deadlineNs = ShardClock.monotonicNs() + TimeUnit.MILLISECONDS.toNanos(config.acknowledgeTimeoutMs());
        post(() -> onTaken(watched, shard, deadlineNs, reason));
    }

    /** The event's own, or the one that section 7 of the protocol derives. */
    private static Ulid eventId(Topic topic, IncomingEvent event, int eventIdAt, long offset) {
        if (eventIdAt >= 0) {
            byte[] id = new byte[EventFields.EVENT_ID_BYTES];
            event.in.getBytes(eventIdAt, id);
            return Ulid.from(id);
        }
        long epoch = topic.epoch() & 0xffff_ffffL;
        return new Ulid(event.timestampUs / 1_000 << 16 | epoch >>> 16, epoch << 48 | offset & 0xffff_ffff_ffffL);
    }

    @Override
    public boolean onAcknowledged(Topic topic, long device, long[] offsets) {
        if (toldCount.incrementAndGet() > TOLD_COUNT_MAX) {
            toldCount.decrementAndGet();
            return false;
        }
        post(() -> {
            toldCount.decrementAndGet();
            for (long offset : offsets) {
                onAcknowledged(
                        new WatchedEvent(topic.org(), topic.name().toString(), offset, device, 0, NO_ID), device);
            }
        });
        return true;
    }

    /** Of an event of which only the place is known. */
    private static final Ulid NO_ID = new Ulid(0, 0);

    private void post(Runnable task) {
        tasks.add(task);
        LockSupport.unpark(thread);
    }

    // ---- the thread

    private void run() {
        lookedNs = ShardClock.monotonicNs() - LOOK_NS;
        allowedNs = lookedNs;
        while (!isClosed) {
            try {
                Runnable task;
                for (int i = 0; i < TASKS_PER_TURN && !isClosed && (task = tasks.poll()) != null; i++) {
                    task.run();
                }
                long waitNs = advance(ShardClock.monotonicNs());
                if (tasks.isEmpty() && !isClosed) {
                    LockSupport.parkNanos(this, waitNs);
                }
            } catch (RuntimeException | AssertionError defect) {
                onDefect(defect);
            }
        }
    }

    private void onDefect(Throwable defect) {
        LOG.error("defect in the safety escalations", defect);
        metrics.add(Counter.DEFECTS, 1);
    }

    /** A defect in one part of one escalation leaves its other parts, and all other escalations, alone. @return false for a defect. */
    private boolean isDone(Runnable part) {
        try {
            part.run();
            return true;
        } catch (RuntimeException | AssertionError defect) {
            onDefect(defect);
            return false;
        }
    }

    /** @return how long nothing comes by itself. */
    private long advance(long nowNs) {
        if (nowNs - lookedNs >= LOOK_NS) {
            lookedNs = nowNs;
            look();
        }
        while (isDue(nowNs) && escalatingCount.get() < config.waitingLimitCount()) {
            Waiting due = byDeadline.first();
            escalatingCount.incrementAndGet();
            escalate(due, Reason.UNACKNOWLEDGED);
        }
        allowance = Math.min(
                config.escalationsPerSecond(), allowance + (nowNs - allowedNs) * 1e-9 * config.escalationsPerSecond());
        allowedNs = nowNs;
        while (allowance >= 1 && !untold.isEmpty()) {
            allowance--;
            tell(untold.removeFirst());
        }
        if (isDue(nowNs) || !untold.isEmpty()) {
            return RETRY_NS;
        }
        long leftNs = byDeadline.isEmpty() ? LOOK_NS : byDeadline.first().deadlineNs - nowNs;
        return Math.max(1, Math.min(LOOK_NS, leftNs));
    }

    private boolean isDue(long nowNs) {
        return !byDeadline.isEmpty() && nowNs - byDeadline.first().deadlineNs >= 0;
    }

    /** What is done once a second. */
    private void look() {
        load();
        ArrayDeque<Retry> due = retries;
        retries = new ArrayDeque<>();
        for (Retry each : due) {
            if (all.get(each.of.event) == each.of && !isDone(each.task)) {
                retries.add(each);
            }
        }
        for (int i = leftovers.size(); i > 0; i--) {
            remove(leftovers.removeFirst());
        }
        linesInSecond = 0;
        long dropped = droppedCount.getAndSet(0);
        metrics.add(Counter.SAFETY_ESCALATIONS_LOST, dropped);
        if (linesLeftOut + dropped > 0) {
            LOG.warn(
                    "SAFETY more events have escalated than are named here: count={}, of them without more than this line, for too many were under way: {} (safety.waiting-limit-count={})",
                    linesLeftOut + dropped,
                    dropped,
                    config.waitingLimitCount());
            linesLeftOut = 0;
        }
    }

    /** An engine's answer, on this thread. */
    private <T extends @Nullable Object> Answer<T> back(Consumer<T> onDone, Consumer<EngineFault> onFault) {
        return new Answer<>() {
            @Override
            public void onDone(T result) {
                post(() -> onDone.accept(result));
            }

            @Override
            public void onFault(EngineFault fault) {
                post(() -> onFault.accept(fault));
            }
        };
    }

    // ---- what is stored

    private void load() {
        byte[] from = loadFrom;
        if (from == null || isLoading) {
            return;
        }
        isLoading = true;
        state.scan(
                SPACE,
                from,
                null,
                PAGE_COUNT,
                back(
                        page -> {
                            isLoading = false;
                            onPage(page);
                            load();
                        },
                        fault -> {
                            isLoading = false;
                            LOG.warn("events that wait to be acknowledged can't be read now: {}", fault.sentence());
                        }));
    }

    private void onPage(List<KeyedState.Value> page) {
        for (KeyedState.Value value : page) {
            try {
                onStored(WatchedEvent.read(value.key(), value.bytes()));
            } catch (IllegalArgumentException damaged) {
                LOG.error("an event that waits to be acknowledged can't be read: {}", damaged.getMessage());
            }
        }
        if (page.size() < PAGE_COUNT) {
            loadFrom = null;
            acknowledgedMeanwhile.clear();
        } else {
            byte[] last = page.get(page.size() - 1).key();
            loadFrom = Arrays.copyOf(last, last.length + 1);
        }
    }

    /** It waited when the broker ended, or was taken since. */
    private void onStored(WatchedEvent event) {
        if (all.containsKey(event)) {
            return;
        }
        if (acknowledgedMeanwhile.remove(event)) {
            remove(event.key());
            return;
        }
        long timeoutUs = TimeUnit.MILLISECONDS.toMicros(config.acknowledgeTimeoutMs());
        long leftUs = Math.max(0, Math.min(timeoutUs, event.takenUs() + timeoutUs - ShardClock.wallUs()));
        int shard = HomeTopics.homeOf(event.org(), event.topic(), dispatches.size());
        waitingCounts.incrementAndGet(shard);
        watch(event, shard, ShardClock.monotonicNs() + TimeUnit.MICROSECONDS.toNanos(leftUs));
    }

    private void store(Waiting of) {
        WatchedEvent event = of.event;
        state.put(
                SPACE,
                event.key(),
                KeyedState.ANY_VERSION,
                event.value(),
                event.takenUs() + KEPT_US,
                back(outcome -> {}, fault -> retry(of, () -> store(of))));
    }

    private void retry(Waiting of, Runnable task) {
        retries.add(new Retry(of, task));
    }

    private void remove(byte[] key) {
        state.put(SPACE, key, KeyedState.ANY_VERSION, null, KeyedState.NEVER_EXPIRES, back(outcome -> {}, fault -> {
            if (leftovers.size() < config.waitingLimitCount()) {
                leftovers.add(key);
            }
        }));
    }

    // ---- under watch

    private Waiting watch(WatchedEvent event, int shard, long deadlineNs) {
        Waiting waiting = new Waiting(event, shard, deadlineNs, lastNumber++);
        all.put(event, waiting);
        byDeadline.add(waiting);
        return waiting;
    }

    private void onTaken(WatchedEvent event, int shard, long deadlineNs, @Nullable Reason atOnce) {
        metrics.add(Counter.SAFETY_TAKEN, 1);
        Waiting waiting = watch(event, shard, deadlineNs);
        store(waiting);
        if (atOnce != null) {
            escalate(waiting, atOnce);
        }
    }

    private void onAcknowledged(WatchedEvent place, long device) {
        Waiting waiting = all.get(place);
        if (waiting == null) {
            if (loadFrom != null && acknowledgedMeanwhile.size() < config.waitingLimitCount()) {
                acknowledgedMeanwhile.add(place);
            }
            return;
        }
        if (waiting.reason == null && waiting.event.device() != device) {
            metrics.add(Counter.SAFETY_ACKNOWLEDGED, 1);
            byDeadline.remove(waiting);
            waitingCounts.decrementAndGet(waiting.shard);
            forget(waiting);
        }
    }

    private void forget(Waiting waiting) {
        all.remove(waiting.event);
        remove(waiting.event.key());
    }

    private void escalate(Waiting waiting, Reason reason) {
        waiting.reason = reason;
        byDeadline.remove(waiting);
        waitingCounts.decrementAndGet(waiting.shard);
        metrics.add(reason.counter(), 1);
        untold.add(waiting);
    }

    private void tell(Waiting waiting) {
        Reason reason = waiting.reason;
        if (reason == null) {
            throw new IllegalStateException("an event that does not escalate is told of: " + waiting.event);
        }
        WatchedEvent event = waiting.event;
        Escalation escalation = new Escalation(event, reason, ShardClock.wallUs());
        isDone(() -> alarm(escalation));
        // One part is this method's own, so that nothing is over before all is begun.
        waiting.parts = 1;
        if (config.hasTopic()) {
            waiting.parts++;
            byte[] entry = escalation.entry();
            if (!isDone(() -> publish(waiting, entry))) {
                retry(waiting, () -> publish(waiting, entry));
            }
        }
        if (webhook != null) {
            waiting.parts++;
            post(waiting, webhook, escalation);
        }
        endPart(waiting);
    }

    private void endPart(Waiting waiting) {
        if (--waiting.parts == 0) {
            escalatingCount.decrementAndGet();
            forget(waiting);
        }
    }

    private void alarm(Escalation escalation) {
        WatchedEvent event = escalation.event();
        if (linesInSecond++ < LINES_PER_SECOND) {
            LOG.warn(
                    "SAFETY an event escalates: reason={}, org={}, topic={}, offset={}, eventId={}",
                    escalation.reason().label(),
                    TopicName.shown(event.org()),
                    TopicName.shown(event.topic()),
                    event.offset(),
                    event.eventId());
        } else {
            linesLeftOut++;
        }
        audit.recordLater(
                Actor.BROKER,
                "broker",
                event.org(),
                "safety.escalated",
                event.topic(),
                escalation.reason().label(),
                "offset",
                Long.toString(event.offset()),
                "eventId",
                event.eventId().toString());
    }

    private void publish(Waiting waiting, byte[] entry) {
        boolean isAsked = heraldOf(
                waiting.event.org(),
                herald -> herald.publish(
                        entry,
                        refusal -> post(() -> {
                            if (refusal != null && refusal.isRetryable()) {
                                retry(waiting, () -> publish(waiting, entry));
                                return;
                            }
                            if (refusal != null) {
                                metrics.add(Counter.SAFETY_ESCALATIONS_LOST, 1);
                                LOG.error(
                                        "an escalation can't be published: topic={}, org={}, why={}",
                                        config.escalationTopic(),
                                        TopicName.shown(waiting.event.org()),
                                        refusal.meaning());
                            }
                            endPart(waiting);
                        })));
        if (!isAsked) {
            retry(waiting, () -> publish(waiting, entry));
        }
    }

    /** @return false where the broker stops. */
    private boolean heraldOf(String org, Consumer<Herald> task) {
        Dispatch home = dispatches.get(HomeTopics.homeOf(org, config.escalationTopic(), dispatches.size()));
        Herald herald =
                heralds.computeIfAbsent(org, any -> new Herald(home, org, TopicName.of(config.escalationTopic())));
        try {
            home.shard().execute(() -> task.accept(herald));
            return true;
        } catch (RejectedExecutionException stopping) {
            return false;
        }
    }

    private void post(Waiting waiting, Webhook to, Escalation escalation) {
        boolean isQueued = to.post(
                escalation.json(),
                isTaken -> post(() -> {
                    metrics.add(isTaken ? Counter.SAFETY_WEBHOOKS_SENT : Counter.SAFETY_WEBHOOKS_LOST, 1);
                    endPart(waiting);
                }));
        if (!isQueued) {
            metrics.add(Counter.SAFETY_WEBHOOKS_LOST, 1);
            endPart(waiting);
        }
    }
}
