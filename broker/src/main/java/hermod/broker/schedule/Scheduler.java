package hermod.broker.schedule;

import com.google.protobuf.ByteString;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.engine.Answer;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.KeyedState;
import hermod.broker.metrics.Counter;
import hermod.broker.shard.ShardClock;
import hermod.broker.topic.Channel;
import hermod.broker.topic.Channels;
import hermod.broker.topic.HomeTopics;
import hermod.protocol.ErrorCode;
import hermod.protocol.TopicName;
import hermod.protocol.control.wire.Cancelled;
import hermod.protocol.control.wire.Recurrence;
import hermod.protocol.control.wire.ScheduleList;
import hermod.protocol.control.wire.Scheduled;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Queue;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
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
 * <p>So nothing has to be repaired at the start. What is done with one event is done one after the other ({@link #inTurn}), so a cancel and a publish of the same event never cross.
 *
 * <p><b>In memory</b> are the next times only, up to {@link #horizon}; what is behind is read when there is room. Of what was refused as many wait for another try; more is forgotten and found again by reading from the front.
 */
public final class Scheduler implements AutoCloseable {
    /** Whether an operator has switched a channel off for a user. Any thread. */
    public interface Gate {
        boolean isOff(Channel channel, int percentile);
    }

    static final String EVENTS = "schedule";
    static final String DUE = "schedule-due";

    private static final Logger LOG = LoggerFactory.getLogger(Scheduler.class);
    private static final long AHEAD_MAX_US = TimeUnit.DAYS.toMicros(30);
    private static final int LISTED_COUNT_MAX = 100;
    private static final int PAGE_COUNT = 1_000;
    private static final long LOOK_NS = TimeUnit.SECONDS.toNanos(1);
    private static final long RETRY_NS_MIN = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long RETRY_NS_MAX = TimeUnit.SECONDS.toNanos(30);
    private static final long RESCAN_NS = TimeUnit.SECONDS.toNanos(30);

    /** An attempt without an outcome for so long is given up and made again; the home recognises the second if the first was taken. */
    private static final long OUTCOME_NS_MAX = TimeUnit.SECONDS.toNanos(60);

    private static final long CLOSE_MS_MAX = 2_000;

    /** Occurrences looked at to find the last one that was missed. */
    private static final int MISSED_COUNT_MAX = 10_000;

    /** Occurrences of a new rule whose distance is looked at. */
    private static final int CHECKED_COUNT = 100;

    private static final int MINUTE_MS = 60_000;

    private final ScheduleConfig config;
    private final KeyedState state;
    private final Channels channels;
    private final Gate gate;
    private final ShardClock clock;
    private final Queue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final AtomicInteger waitingRequests = new AtomicInteger();
    private final Thread thread = new Thread(this::run, "hermod-schedule");
    private List<Dispatch> dispatches = List.of();
    private volatile boolean isEnding;
    private volatile boolean isClosed;

    // ---- from here on the thread's

    private final TreeSet<DueKey> ahead = new TreeSet<>();

    /** From this key on the index is not in memory; null where all of it is. */
    private byte @Nullable [] horizon = new byte[0];

    private boolean isScanning;

    /** Came while a page was being read, which may or may not have them. */
    private final List<DueKey> addedMeanwhile = new ArrayList<>();

    /** Where the count of all that is stored goes on; null once it is known. */
    private byte @Nullable [] countFrom = new byte[0];

    private final List<Runnable> untilCounted = new ArrayList<>();
    private final Map<String, Integer> countByOwner = new HashMap<>();
    private long count;
    private long bytes;
    private final Map<DueKey, Firing> underWay = new HashMap<>();
    private final Map<DueKey, Firing> retrying = new HashMap<>();
    private final PriorityQueue<Firing> retries =
            new PriorityQueue<>(Comparator.comparingLong((Firing firing) -> firing.retryAtNs));
    private long rescanAtNs = Long.MAX_VALUE;
    private long askAgainAtNs;
    private final Map<ByteBuffer, ArrayDeque<Runnable>> turns = new HashMap<>();

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
        request(answer, reply -> inTurn(key, () -> add(key, asked, reply)));
    }

    void cancel(byte[] key, Consumer<Reply> answer) {
        request(answer, reply -> inTurn(key, () -> cancelInTurn(key, reply)));
    }

    /** @param after an id; empty for the first. */
    void list(String org, String user, byte[] after, int countMax, Consumer<Reply> answer) {
        request(answer, reply -> listNow(org, user, after, countMax, reply));
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
        post(() -> {
            if (countFrom == null) {
                work.accept(counted);
            } else {
                untilCounted.add(() -> work.accept(counted));
            }
        });
    }

    private void post(Runnable task) {
        tasks.add(task);
        LockSupport.unpark(thread);
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
        if (countFrom != null) {
            countStored(nowNs);
            return LOOK_NS;
        }
        giveUpLateAttempts(nowNs);
        if (isEnding) {
            return LOOK_NS;
        }
        if (rescanAtNs != Long.MAX_VALUE && nowNs - rescanAtNs >= 0 && !isScanning) {
            rescanAtNs = Long.MAX_VALUE;
            ahead.clear();
            horizon = new byte[0];
        }
        while (underWay.size() < config.underWayLimitCount()
                && !retries.isEmpty()
                && nowNs - retries.peek().retryAtNs >= 0) {
            Firing again = retries.remove();
            retrying.remove(again.key);
            begin(again);
        }
        while (underWay.size() < config.underWayLimitCount()
                && !ahead.isEmpty()
                && ahead.first().dueUs() <= clock.nowUs()) {
            begin(new Firing(ahead.pollFirst()));
        }
        if (horizon != null && ahead.size() < config.aheadLimitCount() / 2 + 1) {
            readAhead(nowNs);
        }
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
        if (!ahead.isEmpty()) {
            long leftUs = ahead.first().dueUs() - clock.nowUs();
            waitNs = Math.min(waitNs, leftUs > LOOK_NS / 1_000 ? LOOK_NS : leftUs * 1_000);
        }
        return Math.max(1, waitNs);
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

    /** Does something with one event when all before it has called {@link #endTurn}. */
    private void inTurn(byte[] key, Runnable work) {
        ArrayDeque<Runnable> waiting = turns.get(ByteBuffer.wrap(key));
        if (waiting == null) {
            turns.put(ByteBuffer.wrap(key), new ArrayDeque<>(0));
            work.run();
        } else {
            waiting.addLast(work);
        }
    }

    private void endTurn(byte[] key) {
        ArrayDeque<Runnable> waiting = turns.get(ByteBuffer.wrap(key));
        if (waiting == null) {
            throw new IllegalStateException("the end of a turn that nobody had");
        }
        if (waiting.isEmpty()) {
            turns.remove(ByteBuffer.wrap(key));
        } else {
            waiting.removeFirst().run();
        }
    }

    // ---- what is stored, and what of it is in memory

    private void countStored(long nowNs) {
        byte[] from = countFrom;
        if (isScanning || from == null || nowNs - askAgainAtNs < 0) {
            return;
        }
        isScanning = true;
        state.scan(
                DUE,
                from,
                null,
                PAGE_COUNT,
                back(
                        page -> {
                            isScanning = false;
                            for (KeyedState.Value value : page) {
                                tally(new DueKey(value.key()), 1, bytesOf(value));
                            }
                            countFrom = page.size() < PAGE_COUNT ? null : behind(page);
                            if (countFrom == null) {
                                LOG.info("scheduled events: count={}, bytes={}", count, bytes);
                                untilCounted.forEach(Runnable::run);
                                untilCounted.clear();
                            }
                        },
                        this::onScanFault));
        askAgainAtNs = nowNs;
    }

    private void onScanFault(EngineFault fault) {
        isScanning = false;
        // They are behind the horizon, and stored.
        addedMeanwhile.clear();
        askAgainAtNs = ShardClock.monotonicNs() + LOOK_NS;
        LOG.warn("the times of scheduled events can't be read now: {}", fault.sentence());
    }

    private static byte[] behind(List<KeyedState.Value> page) {
        byte[] last = page.get(page.size() - 1).key();
        return Arrays.copyOf(last, last.length + 1);
    }

    private static int bytesOf(KeyedState.Value value) {
        return ByteBuffer.wrap(value.bytes()).getInt();
    }

    private void tally(DueKey key, int more, long moreBytes) {
        count += more;
        bytes += more * moreBytes;
        int ofOwner = countByOwner.getOrDefault(key.owner(), 0) + more;
        if (ofOwner == 0) {
            countByOwner.remove(key.owner());
        } else {
            countByOwner.put(key.owner(), ofOwner);
        }
    }

    private void readAhead(long nowNs) {
        byte[] from = horizon;
        if (isScanning || from == null || nowNs - askAgainAtNs < 0) {
            return;
        }
        isScanning = true;
        int countMax = Math.min(PAGE_COUNT, config.aheadLimitCount() - ahead.size());
        state.scan(
                DUE,
                from,
                null,
                countMax,
                back(
                        page -> {
                            isScanning = false;
                            if (horizon != from) {
                                // Lowered meanwhile, for want of room: the page lies behind a hole.
                                addedMeanwhile.clear();
                                return;
                            }
                            for (KeyedState.Value value : page) {
                                keep(new DueKey(value.key()));
                            }
                            horizon = page.size() < countMax ? null : behind(page);
                            addedMeanwhile.forEach(this::remember);
                            addedMeanwhile.clear();
                        },
                        this::onScanFault));
    }

    private void keep(DueKey key) {
        if (!underWay.containsKey(key) && !retrying.containsKey(key)) {
            ahead.add(key);
        }
    }

    /** A key was added to the index. */
    private void remember(DueKey key) {
        if (isScanning) {
            addedMeanwhile.add(key);
        }
        byte[] limit = horizon;
        if (limit != null && Arrays.compareUnsigned(key.bytes(), limit) >= 0) {
            return;
        }
        keep(key);
        if (ahead.size() > config.aheadLimitCount()) {
            horizon = ahead.pollLast().bytes();
        }
    }

    private void putInIndex(DueKey key, int eventBytes, Runnable onStored, Consumer<EngineFault> onFault) {
        byte[] value = ByteBuffer.allocate(Integer.BYTES).putInt(0, eventBytes).array();
        // Before it is stored: others must not take the same last place meanwhile.
        tally(key, 1, eventBytes);
        state.put(
                DUE,
                key.bytes(),
                KeyedState.NO_VERSION,
                value,
                KeyedState.NEVER_EXPIRES,
                back(
                        outcome -> {
                            if (!outcome.isStored()) {
                                // There since an attempt that was cut off.
                                tally(key, -1, eventBytes);
                            }
                            onStored.run();
                        },
                        fault -> {
                            tally(key, -1, eventBytes);
                            onFault.accept(fault);
                        }));
    }

    /** Removes an index entry; where that fails it stays, stale, until its time comes or the broker starts. */
    private void removeFromIndex(DueKey key, Runnable onEnd) {
        ahead.remove(key);
        state.get(
                DUE,
                key.bytes(),
                back(
                        value -> {
                            if (value == null) {
                                onEnd.run();
                                return;
                            }
                            state.put(
                                    DUE,
                                    key.bytes(),
                                    value.version(),
                                    null,
                                    KeyedState.NEVER_EXPIRES,
                                    back(
                                            outcome -> {
                                                if (outcome.isStored()) {
                                                    tally(key, -1, bytesOf(value));
                                                }
                                                onEnd.run();
                                            },
                                            fault -> onEnd.run()));
                        },
                        fault -> onEnd.run()));
    }

    // ---- requests

    private void add(byte[] key, ScheduledEvent asked, Consumer<Reply> answer) {
        Consumer<Reply> end = reply -> {
            answer.accept(reply);
            endTurn(key);
        };
        state.get(
                EVENTS,
                key,
                back(
                        found -> {
                            if (found == null) {
                                addNew(key, asked, end);
                            } else {
                                end.accept(addedBefore(key, found, asked));
                            }
                        },
                        fault -> end.accept(unavailable(fault))));
    }

    private Reply addedBefore(byte[] key, KeyedState.Value found, ScheduledEvent asked) {
        ScheduledEvent there = readable(key, found);
        if (there == null) {
            return Reply.refused(ErrorCode.BAD_REQUEST, "what is stored under this id is damaged; draw a new one");
        }
        if (!there.isSame(asked)) {
            return Reply.refused(
                    ErrorCode.BAD_REQUEST, "another event is scheduled under this id; draw a new one for each");
        }
        // Where it was stored and its answer failed, nobody has it in memory.
        remember(DueKey.of(there.dueUs(), key));
        return Reply.of(Scheduled.newBuilder()
                .setEvent(shown(key, there))
                .setExisted(true)
                .build());
    }

    private void addNew(byte[] key, ScheduledEvent asked, Consumer<Reply> end) {
        ScheduledEvent event;
        try {
            event = timed(asked);
        } catch (BadRuleException bad) {
            end.accept(Reply.refused(ErrorCode.BAD_REQUEST, bad.sentence()));
            return;
        }
        DueKey due = DueKey.of(event.dueUs(), key);
        byte[] value = event.write();
        String full = fullSentence(due, value.length);
        if (full != null) {
            end.accept(Reply.refused(ErrorCode.TOO_MANY_SCHEDULES, full));
            return;
        }
        putInIndex(
                due,
                value.length,
                () -> state.put(
                        EVENTS,
                        key,
                        KeyedState.NO_VERSION,
                        value,
                        KeyedState.NEVER_EXPIRES,
                        back(
                                outcome -> {
                                    remember(due);
                                    end.accept(
                                            outcome.isStored()
                                                    ? Reply.of(Scheduled.newBuilder()
                                                            .setEvent(shown(key, event))
                                                            .build())
                                                    : Reply.refused(
                                                            ErrorCode.UNAVAILABLE,
                                                            "the event was changed meanwhile; ask again"));
                                },
                                fault -> {
                                    // It may be stored nevertheless.
                                    remember(due);
                                    end.accept(unavailable(fault));
                                })),
                fault -> end.accept(unavailable(fault)));
    }

    /** The event with the time it is due first. */
    private ScheduledEvent timed(ScheduledEvent asked) throws BadRuleException {
        long nowUs = clock.nowUs();
        if (asked.isRecurring()) {
            return timedByRule(asked, nowUs);
        }
        if (asked.dueUs() <= nowUs) {
            throw new BadRuleException("deliver_at_us is not in the future: it is " + (nowUs - asked.dueUs()) / 1_000
                    + " ms behind the broker's clock");
        }
        if (asked.dueUs() - nowUs > AHEAD_MAX_US) {
            throw new BadRuleException("deliver_at_us is more than 30 days ahead");
        }
        return created(asked, nowUs);
    }

    private ScheduledEvent timedByRule(ScheduledEvent asked, long nowUs) throws BadRuleException {
        Rule rule = Rule.parse(asked.rule(), asked.zone());
        long firstUs = rule.nextUs(nowUs);
        if (firstUs == Rule.NEVER || (asked.untilUs() != 0 && firstUs > asked.untilUs())) {
            throw new BadRuleException("the rule is never due before its end");
        }
        long lastUs = firstUs;
        // A rule can't be due more often than every minute.
        int checked = config.intervalMinMs() <= MINUTE_MS ? 0 : CHECKED_COUNT;
        for (int i = 0; i < checked; i++) {
            long nextUs = rule.nextUs(lastUs);
            if (nextUs == Rule.NEVER) {
                break;
            }
            if (nextUs - lastUs < config.intervalMinMs() * 1_000L) {
                throw new BadRuleException("the rule is due more often than every " + config.intervalMinMs()
                        + " ms (schedule.interval-min-ms)");
            }
            lastUs = nextUs;
        }
        return created(asked.at(firstUs), nowUs);
    }

    private static ScheduledEvent created(ScheduledEvent asked, long nowUs) {
        return new ScheduledEvent(
                asked.topic(),
                asked.author(),
                nowUs,
                asked.dueUs(),
                asked.rule(),
                asked.zone(),
                asked.untilUs(),
                asked.flags(),
                asked.entry());
    }

    private @Nullable String fullSentence(DueKey key, int moreBytes) {
        if (countByOwner.getOrDefault(key.owner(), 0) >= config.perUserLimitCount()) {
            return "the user has as many scheduled events as they may: limit=" + config.perUserLimitCount()
                    + " (schedule.per-user-limit-count)";
        }
        if (count >= config.limitCount()) {
            return "the broker has as many scheduled events as it may: limit=" + config.limitCount()
                    + " (schedule.limit-count)";
        }
        return bytes + moreBytes > config.limitBytes()
                ? "the broker's scheduled events have as many bytes as they may: limit=" + config.limitBytes()
                        + " (schedule.limit-bytes)"
                : null;
    }

    private void cancelInTurn(byte[] key, Consumer<Reply> answer) {
        Runnable end = () -> endTurn(key);
        Consumer<EngineFault> onFault = fault -> {
            answer.accept(unavailable(fault));
            end.run();
        };
        state.get(
                EVENTS,
                key,
                back(
                        found -> {
                            if (found == null) {
                                answer.accept(Reply.of(Cancelled.getDefaultInstance()));
                                end.run();
                                return;
                            }
                            state.put(
                                    EVENTS,
                                    key,
                                    found.version(),
                                    null,
                                    KeyedState.NEVER_EXPIRES,
                                    back(
                                            outcome -> {
                                                answer.accept(Reply.of(Cancelled.newBuilder()
                                                        .setCancelled(outcome.isStored())
                                                        .build()));
                                                ScheduledEvent gone = readable(key, found);
                                                if (gone == null) {
                                                    end.run();
                                                } else {
                                                    removeFromIndex(DueKey.of(gone.dueUs(), key), end);
                                                }
                                            },
                                            onFault));
                        },
                        onFault));
    }

    private void listNow(String org, String user, byte[] after, int countMax, Consumer<Reply> answer) {
        byte[] prefix = DueKey.prefix(org, user);
        byte[] end = prefix.clone();
        end[end.length - 1]++;
        byte[] from = Arrays.copyOf(prefix, prefix.length + (after.length == 0 ? 0 : after.length + 1));
        System.arraycopy(after, 0, from, prefix.length, after.length);
        int wanted = countMax <= 0 ? LISTED_COUNT_MAX : Math.min(LISTED_COUNT_MAX, countMax);
        state.scan(
                EVENTS,
                from,
                end,
                wanted + 1,
                back(
                        found -> {
                            ScheduleList.Builder list =
                                    ScheduleList.newBuilder().setMore(found.size() > wanted);
                            for (KeyedState.Value value : found.subList(0, Math.min(wanted, found.size()))) {
                                ScheduledEvent event = readable(value.key(), value);
                                if (event != null) {
                                    list.addEvents(shown(value.key(), event));
                                }
                            }
                            answer.accept(Reply.of(list.build()));
                        },
                        fault -> answer.accept(unavailable(fault))));
    }

    private static hermod.protocol.control.wire.ScheduledEvent shown(byte[] key, ScheduledEvent event) {
        hermod.protocol.control.wire.ScheduledEvent.Builder shown =
                hermod.protocol.control.wire.ScheduledEvent.newBuilder()
                        .setId(ByteString.copyFrom(DueKey.idOf(key)))
                        .setTopic(event.topic())
                        .setDeliverAtUs(event.dueUs())
                        .setPayloadBytes(event.payloadBytes());
        if (event.isRecurring()) {
            shown.setRecurrence(Recurrence.newBuilder()
                    .setRule(event.rule())
                    .setZone(event.zone())
                    .setUntilUs(event.untilUs()));
        }
        return shown.build();
    }

    private static Reply unavailable(EngineFault fault) {
        return Reply.refused(ErrorCode.UNAVAILABLE, "scheduled events can't be kept now: " + fault.sentence());
    }

    // ---- publishing what is due

    private void begin(Firing firing) {
        underWay.put(firing.key, firing);
        firing.startedNs = ShardClock.monotonicNs();
        inTurn(firing.key.eventKey(), () -> read(firing));
    }

    private void end(Firing firing) {
        underWay.remove(firing.key);
        endTurn(firing.key.eventKey());
    }

    private void read(Firing firing) {
        firing.startedNs = ShardClock.monotonicNs();
        state.get(
                EVENTS,
                firing.key.eventKey(),
                back(
                        found -> {
                            ScheduledEvent event = found == null ? null : readable(firing.key.eventKey(), found);
                            if (event == null || found == null || event.dueUs() != firing.key.dueUs()) {
                                removeFromIndex(firing.key, () -> end(firing));
                                return;
                            }
                            firing.event = event;
                            firing.version = found.version();
                            fire(firing, event);
                        },
                        fault -> retry(firing, 0)));
    }

    private static @Nullable ScheduledEvent readable(byte[] key, KeyedState.Value found) {
        try {
            return ScheduledEvent.read(found.bytes());
        } catch (IllegalArgumentException damaged) {
            LOG.error(
                    "a scheduled event can't be read: id={}, why={}",
                    HexFormat.of().formatHex(DueKey.idOf(key)),
                    damaged.getMessage());
            return null;
        }
    }

    private void fire(Firing firing, ScheduledEvent event) {
        if (isEnding) {
            // It stays stored, and is due at the next start.
            end(firing);
            return;
        }
        long nowUs = clock.nowUs();
        long occurrenceUs = occurrence(event, nowUs);
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
            post(() -> {
                if (firing.attempt == of) {
                    firing.attempt = null;
                    Scheduler.this.onOutcome(firing, refusal, retryAfterMs);
                }
            });
        }
    }

    /** For which time the event is sent now: its own, or of a recurring one the last that was missed; {@link Rule#NEVER} where it is too late. */
    private long occurrence(ScheduledEvent event, long nowUs) {
        long earliestUs = nowUs - config.lateLimitS() * 1_000_000L;
        long dueUs = event.dueUs();
        if (event.isRecurring()) {
            Rule rule = ruleOf(event);
            if (dueUs < earliestUs) {
                dueUs = rule.nextUs(earliestUs - 1);
            }
            for (int i = 0; i < MISSED_COUNT_MAX; i++) {
                long nextUs = rule.nextUs(dueUs);
                if (nextUs > nowUs || isOver(event, nextUs)) {
                    break;
                }
                dueUs = nextUs;
            }
            return dueUs > nowUs || isOver(event, dueUs) ? Rule.NEVER : dueUs;
        }
        return dueUs < earliestUs ? Rule.NEVER : dueUs;
    }

    private static boolean isOver(ScheduledEvent event, long dueUs) {
        return dueUs == Rule.NEVER || (event.untilUs() != 0 && dueUs > event.untilUs());
    }

    private static Rule ruleOf(ScheduledEvent event) {
        try {
            return Rule.parse(event.rule(), event.zone());
        } catch (BadRuleException changed) {
            throw new IllegalStateException("a rule that was found good: " + changed.sentence(), changed);
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
        long nextUs = event.isRecurring() ? ruleOf(event).nextUs(firing.occurrenceUs) : Rule.NEVER;
        byte[] key = firing.key.eventKey();
        if (isOver(event, nextUs)) {
            state.put(
                    EVENTS,
                    key,
                    firing.version,
                    null,
                    KeyedState.NEVER_EXPIRES,
                    back(outcome -> removeFromIndex(firing.key, () -> end(firing)), fault -> retry(firing, 0)));
            return;
        }
        DueKey next = DueKey.of(nextUs, key);
        byte[] value = event.at(nextUs).write();
        putInIndex(
                next,
                value.length,
                () -> state.put(
                        EVENTS,
                        key,
                        firing.version,
                        value,
                        KeyedState.NEVER_EXPIRES,
                        back(
                                outcome -> {
                                    remember(next);
                                    removeFromIndex(firing.key, () -> end(firing));
                                },
                                fault -> {
                                    remember(next);
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
