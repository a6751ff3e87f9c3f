package hermod.broker.schedule;

import hermod.broker.dispatch.Dispatch;
import hermod.broker.engine.KeyedState;
import hermod.broker.metrics.Counter;
import hermod.broker.shard.ShardClock;
import hermod.broker.topic.Channel;
import hermod.broker.topic.Channels;
import hermod.broker.topic.HomeTopics;
import hermod.protocol.ErrorCode;
import hermod.protocol.TopicName;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the events for later and publishes each when it is due: section 16 of the protocol.
 *
 * <p>One thread of its own has all of its state; engine and shards answer it through a queue, and it waits for neither. It looks at the wall clock at least once a second, so it needs to know nothing of clocks being set.
 *
 * <p><b>What is stored.</b> Space {@code schedule}: the events themselves, by owner and id ({@link DueKey#eventKey}). An event is scheduled if, and as long as, it is there. Space {@code schedule-due}: an index by time ({@link DueKey}), with
 * the event's size as its value. An entry of the index means something only while the event is there and is due at just that time; any other is *stale*, and is removed when its time comes.
 *
 * <p><b>The order of writing</b> keeps an index entry for every event, whatever is cut off in between:
 *
 * <ul>
 *   <li>scheduling writes the index entry, then the event, and answers then. Cut off in between: a stale entry, and an event that nobody was told is scheduled;
 *   <li>cancelling deletes the event, answers, then deletes the index entry. Cut off in between: a stale entry. So nothing fires after a cancel;
 *   <li>an event that was sent is deleted the same way; a recurring one gets the index entry of its next time, then is changed to it, then loses the old entry. Cut off before the event is changed: the old entry fires again, the home recognises the
 *       producer and the sequence (its time), and all goes on from there.
 * </ul>
 *
 * <p>So nothing has to be repaired at the start. What is done with one event is done one after the other ({@link Turns}), so a cancel and a publish of the same event never cross.
 *
 * <p><b>In memory</b> are the next times only, in {@link DueIndex}. Of what was refused as many wait for another try; more is forgotten and found again by reading from the front.
 */
public final class Scheduler implements AutoCloseable {
    /** Whether an operator has switched a channel off for a user. Any thread. */
    public interface Gate {
        boolean isOff(Channel channel, int percentile);
    }

    private static final String EVENTS = ScheduleRequests.EVENTS;
    private static final Logger LOG = LoggerFactory.getLogger(Scheduler.class);
    private static final long LOOK_NS = TimeUnit.SECONDS.toNanos(1);
    private static final long RETRY_NS_MIN = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long RETRY_NS_MAX = TimeUnit.SECONDS.toNanos(30);
    private static final long RESCAN_NS = TimeUnit.SECONDS.toNanos(30);

    /** An attempt without an outcome for so long is given up and made again; the home recognises the second if the first was taken. */
    private static final long OUTCOME_NS_MAX = TimeUnit.SECONDS.toNanos(60);

    private static final long CLOSE_MS_MAX = 2_000;

    private final ScheduleConfig config;
    private final KeyedState state;
    private final Channels channels;
    private final Gate gate;
    private final ShardClock clock;
    private final AtomicInteger waitingRequests = new AtomicInteger();
    private final Thread thread = new Thread(this::run, "hermod-schedule");
    private final Tasks tasks = new Tasks(thread);
    private final Timing timing;
    private List<Dispatch> dispatches = List.of();
    private volatile boolean isEnding;
    private volatile boolean isClosed;

    // ---- from here on the thread's

    private final Turns turns = new Turns();
    private final DueIndex index;
    private final ScheduleRequests requests;
    private final Map<DueKey, Firing> underWay = new HashMap<>();
    private final Map<DueKey, Firing> retrying = new HashMap<>();
    private final PriorityQueue<Firing> retries =
            new PriorityQueue<>(Comparator.comparingLong((Firing firing) -> firing.retryAtNs));
    private long rescanAtNs = Long.MAX_VALUE;

    /** One due event, from the moment its time has come until it is off the index. */
    private static final class Firing {
        final DueKey key;
        int tries;
        long retryAtNs;
        long startedNs;

        /** For which time it is sent, or as of when it is given up: what comes behind is another occurrence. */
        long occurrenceUs;

        long version;

        @Nullable
        ScheduledEvent event;

        @Nullable
        Occurrence attempt;

        Firing(DueKey key) {
            this.key = key;
        }
    }

    /** @param clock this thread's own. */
    public Scheduler(ScheduleConfig config, KeyedState state, Channels channels, Gate gate, ShardClock clock) {
        this.config = config;
        this.state = state;
        this.channels = channels;
        this.gate = gate;
        this.clock = clock;
        this.timing = new Timing(config);
        this.index = new DueIndex(config, state, tasks, key -> underWay.containsKey(key) || retrying.containsKey(key));
        this.requests = new ScheduleRequests(state, tasks, turns, index, timing, clock);
        thread.setDaemon(true);
    }

    /** To be called once, when the shards run. */
    public void start(List<Dispatch> shards) {
        dispatches = List.copyOf(shards);
        thread.start();
    }

    /** Begins to send nothing more, for the broker is about to stop; requests are answered still. Any thread. */
    public void stopSending() {
        isEnding = true;
    }

    /** Sends nothing more; what is under way is sent again after a restart, and recognised. */
    @Override
    public void close() {
        isClosed = true;
        LockSupport.unpark(thread);
        try {
            thread.join(CLOSE_MS_MAX);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    // ---- any thread

    /** Schedules an event; the answer comes on the scheduler's thread and must not wait. @param key {@link DueKey#eventKey}. */
    void schedule(byte[] key, ScheduledEvent asked, Consumer<Reply> answer) {
        request(answer, reply -> turns.inTurn(key, () -> requests.add(key, asked, reply)));
    }

    void cancel(byte[] key, Consumer<Reply> answer) {
        request(answer, reply -> turns.inTurn(key, () -> requests.cancelInTurn(key, reply)));
    }

    /** @param after an id; empty for the first. */
    void list(String org, String user, byte[] after, int countMax, Consumer<Reply> answer) {
        request(answer, reply -> requests.listNow(org, user, after, countMax, reply));
    }

    /** Has it look at the clock at once. */
    public void look() {
        LockSupport.unpark(thread);
    }

    private void request(Consumer<Reply> answer, Consumer<Consumer<Reply>> work) {
        if (waitingRequests.incrementAndGet() > config.waitingLimitCount()) {
            waitingRequests.decrementAndGet();
            answer.accept(Reply.refused(
                    ErrorCode.BACK_PRESSURED,
                    "too many requests about scheduled events wait: limit=" + config.waitingLimitCount()
                            + " (schedule.waiting-limit-count)"));
            return;
        }
        Consumer<Reply> counted = reply -> {
            waitingRequests.decrementAndGet();
            answer.accept(reply);
        };
        tasks.post(() -> index.whenCounted(() -> work.accept(counted)));
    }

    // ---- the thread

    private void run() {
        while (!isClosed) {
            try {
                clock.anchor();
                for (Runnable task = tasks.poll(); task != null && !isClosed; task = tasks.poll()) {
                    task.run();
                }
                long waitNs = advance();
                if (tasks.isEmpty() && !isClosed) {
                    LockSupport.parkNanos(this, waitNs);
                }
            } catch (RuntimeException | AssertionError defect) {
                LOG.error("defect in the scheduler", defect);
                count(dispatches.get(0), Counter.DEFECTS);
            }
        }
    }

    /** Does what can be done now. @return how long nothing will come by itself. */
    private long advance() {
        long nowNs = ShardClock.monotonicNs();
        if (!index.isCounted()) {
            index.countStored(nowNs);
            return LOOK_NS;
        }
        giveUpLateAttempts(nowNs);
        if (isEnding) {
            return LOOK_NS;
        }
        if (rescanAtNs != Long.MAX_VALUE && nowNs - rescanAtNs >= 0 && index.rescan()) {
            rescanAtNs = Long.MAX_VALUE;
        }
        while (underWay.size() < config.underWayLimitCount()
                && !retries.isEmpty()
                && nowNs - retries.peek().retryAtNs >= 0) {
            Firing again = retries.remove();
            retrying.remove(again.key);
            begin(again);
        }
        DueKey next;
        while (underWay.size() < config.underWayLimitCount()
                && (next = index.first()) != null
                && next.dueUs() <= clock.nowUs()) {
            index.removeFirst();
            begin(new Firing(next));
        }
        index.fill(nowNs);
        return sleepNs(nowNs);
    }

    private long sleepNs(long nowNs) {
        long waitNs = LOOK_NS;
        if (underWay.size() >= config.underWayLimitCount()) {
            return waitNs;
        }
        if (!retries.isEmpty()) {
            waitNs = Math.min(waitNs, retries.peek().retryAtNs - nowNs);
        }
        DueKey next = index.first();
        if (next != null) {
            long leftUs = next.dueUs() - clock.nowUs();
            waitNs = Math.min(waitNs, leftUs > LOOK_NS / 1_000 ? LOOK_NS : leftUs * 1_000);
        }
        return Math.max(1, waitNs);
    }

    // ---- publishing what is due

    private void begin(Firing firing) {
        underWay.put(firing.key, firing);
        firing.startedNs = ShardClock.monotonicNs();
        turns.inTurn(firing.key.eventKey(), () -> read(firing));
    }

    private void end(Firing firing) {
        underWay.remove(firing.key);
        turns.endTurn(firing.key.eventKey());
    }

    private void read(Firing firing) {
        firing.startedNs = ShardClock.monotonicNs();
        state.get(
                EVENTS,
                firing.key.eventKey(),
                tasks.back(
                        found -> {
                            ScheduledEvent event =
                                    found == null ? null : ScheduleRequests.readable(firing.key.eventKey(), found);
                            if (event == null || found == null || event.dueUs() != firing.key.dueUs()) {
                                index.removeFromIndex(firing.key, () -> end(firing));
                                return;
                            }
                            firing.event = event;
                            firing.version = found.version();
                            fire(firing, event);
                        },
                        fault -> retry(firing, 0)));
    }

    private void fire(Firing firing, ScheduledEvent event) {
        if (isEnding) {
            // It stays stored, and is due at the next start.
            end(firing);
            return;
        }
        long nowUs = clock.nowUs();
        long occurrenceUs = timing.occurrence(event, nowUs);
        if (occurrenceUs == Rule.NEVER) {
            firing.occurrenceUs = Math.max(nowUs, event.dueUs());
            drop(firing, "it is later than it may be");
            return;
        }
        TopicName topic = TopicName.of(event.topic());
        Channel channel = channels.of(topic.channel());
        if (channel == null || gate.isOff(channel, event.author().percentile())) {
            retry(firing, 0);
            return;
        }
        firing.occurrenceUs = occurrenceUs;
        Dispatch home = dispatches.get(HomeTopics.homeOf(firing.key.org(), event.topic(), dispatches.size()));
        Attempt attempt = new Attempt(firing);
        Occurrence occurrence = new Occurrence(home, firing.key, event, occurrenceUs, attempt);
        attempt.of = occurrence;
        firing.attempt = occurrence;
        try {
            home.shard().execute(occurrence::begin);
        } catch (RejectedExecutionException stopping) {
            retry(firing, 0);
        }
    }

    /** Brings an outcome from the shard to this thread, where it may have been given up meanwhile. */
    private final class Attempt implements Occurrence.Listener {
        private final Firing firing;
        private @Nullable Occurrence of;

        Attempt(Firing firing) {
            this.firing = firing;
        }

        @Override
        public void onOutcome(@Nullable ErrorCode refusal, int retryAfterMs) {
            tasks.post(() -> {
                if (firing.attempt == of) {
                    firing.attempt = null;
                    Scheduler.this.onOutcome(firing, refusal, retryAfterMs);
                }
            });
        }
    }

    private void onOutcome(Firing firing, @Nullable ErrorCode refusal, int retryAfterMs) {
        if (refusal == null) {
            settle(firing);
        } else if (refusal.isRetryable() || refusal == ErrorCode.NOT_ENABLED) {
            retry(firing, retryAfterMs);
        } else {
            drop(firing, refusal.meaning());
        }
    }

    /** It was sent, or never will be: it is over, or goes on to its next time. */
    private void settle(Firing firing) {
        ScheduledEvent event = firing.event;
        if (event == null) {
            throw new IllegalStateException("settled without having been read");
        }
        long nextUs = event.isRecurring() ? Timing.ruleOf(event).nextUs(firing.occurrenceUs) : Rule.NEVER;
        byte[] key = firing.key.eventKey();
        if (Timing.isOver(event, nextUs)) {
            state.put(
                    EVENTS,
                    key,
                    firing.version,
                    null,
                    KeyedState.NEVER_EXPIRES,
                    tasks.back(
                            outcome -> index.removeFromIndex(firing.key, () -> end(firing)),
                            fault -> retry(firing, 0)));
            return;
        }
        DueKey next = DueKey.of(nextUs, key);
        byte[] value = event.at(nextUs).write();
        index.putInIndex(
                next,
                value.length,
                () -> state.put(
                        EVENTS,
                        key,
                        firing.version,
                        value,
                        KeyedState.NEVER_EXPIRES,
                        tasks.back(
                                outcome -> {
                                    index.remember(next);
                                    index.removeFromIndex(firing.key, () -> end(firing));
                                },
                                fault -> {
                                    index.remember(next);
                                    retry(firing, 0);
                                })),
                fault -> retry(firing, 0));
    }

    private void drop(Firing firing, String why) {
        ScheduledEvent event = firing.event;
        count(dispatches.get(0), Counter.SCHEDULES_DROPPED);
        LOG.warn(
                "a scheduled event was not sent: id={}, org={}, user={}, topic={}, why={}",
                firing.key,
                TopicName.shown(firing.key.org()),
                TopicName.shown(firing.key.user()),
                event == null ? "" : event.topic(),
                why);
        settle(firing);
    }

    private void retry(Firing firing, int retryAfterMs) {
        firing.attempt = null;
        long backoffNs = Math.min(RETRY_NS_MAX, RETRY_NS_MIN << Math.min(firing.tries, 10));
        firing.tries++;
        firing.retryAtNs = ShardClock.monotonicNs()
                + Math.max(backoffNs, Math.min(RETRY_NS_MAX, TimeUnit.MILLISECONDS.toNanos(retryAfterMs)));
        count(dispatches.get(0), Counter.SCHEDULES_RETRIED);
        if (retrying.size() < config.aheadLimitCount()) {
            retrying.put(firing.key, firing);
            retries.add(firing);
        } else if (rescanAtNs == Long.MAX_VALUE) {
            rescanAtNs = ShardClock.monotonicNs() + RESCAN_NS;
        }
        end(firing);
    }

    private void giveUpLateAttempts(long nowNs) {
        List<Firing> late = new ArrayList<>();
        for (Firing each : underWay.values()) {
            if (each.attempt != null && nowNs - each.startedNs > OUTCOME_NS_MAX) {
                late.add(each);
            }
        }
        for (Firing each : late) {
            LOG.warn("a scheduled event has had no outcome for long and is sent again: id={}", each.key);
            retry(each, 0);
        }
    }

    /** Counters are their shards' own. */
    private static void count(Dispatch shard, Counter counter) {
        try {
            shard.shard().execute(() -> shard.metrics().add(counter, 1));
        } catch (RejectedExecutionException stopping) {
            LOG.debug("not counted, the broker stops: {}", counter);
        }
    }
}
