package hermod.broker.group;

import hermod.broker.engine.Answer;
import hermod.broker.engine.ChannelLog;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.KeyedState;
import hermod.broker.engine.StoredEntry;
import hermod.broker.metrics.ChannelCounter;
import hermod.broker.metrics.ChannelGauge;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.GroupStats;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.ShardClock;
import hermod.broker.topic.Channel;
import hermod.broker.topic.Channels;
import hermod.protocol.ErrorCode;
import hermod.protocol.control.wire.Joined;
import hermod.protocol.control.wire.Left;
import hermod.protocol.control.wire.PositionRange;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FetchedFrame;
import hermod.protocol.frame.FrameHeader;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All consumer groups of a broker: section 17 of the protocol.
 *
 * <p>One thread of its own has all of their state; engine and shards answer it through a queue, and it waits for neither. What a group has settled and who has what is a {@link Ledger}'s; here is what goes on around it:
 *
 * <pre>
 *   JOIN ───────────▶ record stored, log begun, record stored ───▶ JOINED
 *   FETCH ──▶ ledger ──nothing──▶ pages of the channel's log ──▶ ledger ──▶ FETCHED
 *   SETTLE ─▶ ledger ──▶ record stored (one write at a time for a group, the SETTLEs meanwhile share the next) ──▶ SETTLED
 * </pre>
 *
 * <p><b>What is stored</b>, in the space {@code group}: a {@link GroupRecord} for each group. A new one is stored as not live, then the channel's log is begun, then it is stored as live; one that is deleted goes the other way. So whatever
 * is cut off in between, a log that nobody reads is found by the group that is not live, and ended at the next start.
 *
 * <p>Groups of one channel are made and deleted one after the other ({@link ChannelGroups#inTurn}).
 */
public final class Groups implements AutoCloseable {
    static final String SPACE = "group";

    private static final Logger LOG = LoggerFactory.getLogger(Groups.class);
    private static final String DELETING = "the group is being deleted";
    private static final String ENDING = "the connection or the broker is ending";
    private static final int SCANNED_COUNT = 64;
    private static final long LOOK_NS = TimeUnit.SECONDS.toNanos(1);
    private static final long IDLE_NS = TimeUnit.MINUTES.toNanos(10);
    private static final int CLOSE_MS_MAX = 3_000;
    private static final int LISTED_COUNT_MAX = 10_000;

    /** Groups in a list whose oldest event is looked up in the store. */
    private static final int LOOKED_UP_COUNT_MAX = 100;

    private static final int READ_COUNT_MAX = 1_000;

    private final GroupConfig config;
    private final ChannelLog log;
    private final KeyedState state;
    private final Channels channels;
    private final ShardMetrics metrics;
    private final Queue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final AtomicInteger waitingRequests = new AtomicInteger();

    /** Where channels' logs have grown to, until the thread has seen it; one entry a channel. */
    private final Map<Long, Long> grown = new ConcurrentHashMap<>();

    private final AtomicBoolean isGrown = new AtomicBoolean();
    private final Thread thread = new Thread(this::run, "hermod-groups");
    private final long startNs = ShardClock.monotonicNs();
    private volatile boolean isClosed;

    // ---- from here on the thread's

    private final Map<List<String>, ChannelGroups> byChannel = new HashMap<>();
    private final Map<Long, ChannelGroups> byNumber = new HashMap<>();

    /** Groups of an org, those that are being made and deleted too. */
    private final Map<String, Integer> countByOrg = new HashMap<>();

    /** Groups with members, and others of which something is still to be stored or forgotten. */
    private final Set<Group> active = new LinkedHashSet<>();

    private long nextLookNs;
    private long nextGaugesNs;

    /** Whether the members were told that the broker ends. */
    private boolean isEnding;

    /** Where reading what is stored goes on; null when all is known. */
    private byte @Nullable [] loadFrom = new byte[0];

    private boolean isLoading;
    private long loadAgainAtNs;
    private final List<Untold> untilLoaded = new ArrayList<>();

    /** A request that waits for the groups to be known. */
    private record Untold(Runnable work, Consumer<EngineFault> refuse) {}

    /** @param metrics the thread's own. */
    public Groups(GroupConfig config, ChannelLog log, KeyedState state, Channels channels, ShardMetrics metrics) {
        this.config = config;
        this.log = log;
        this.state = state;
        this.channels = channels;
        this.metrics = metrics;
        thread.setDaemon(true);
        log.listener(this::onGrown);
    }

    /** To be called once. */
    public void start() {
        thread.start();
    }

    GroupConfig config() {
        return config;
    }

    /** Tells every member that the broker ends, and waits a moment for what is being stored. */
    @Override
    public void close() {
        if (!thread.isAlive()) {
            return;
        }
        post(() -> {
            isEnding = true;
            for (Group group : List.copyOf(active)) {
                guarded(() -> {
                    for (Member member : List.copyOf(group.members)) {
                        end(member, Left.Reason.REASON_NOT_ENABLED, "the broker is stopping", null);
                    }
                    save(group);
                });
            }
        });
        try {
            thread.join(CLOSE_MS_MAX);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        isClosed = true;
        LockSupport.unpark(thread);
    }

    // ---- any thread

    private void onGrown(long channel, long nextPosition) {
        grown.merge(channel, nextPosition, Math::max);
        if (isGrown.compareAndSet(false, true)) {
            LockSupport.unpark(thread);
        }
    }

    private void post(Runnable task) {
        tasks.add(task);
        LockSupport.unpark(thread);
    }

    /** Whether one more request may wait; if so, {@link #endRequest} is to be called once. */
    boolean beginRequest() {
        if (waitingRequests.incrementAndGet() > config.waitingLimitCount()) {
            waitingRequests.decrementAndGet();
            return false;
        }
        return true;
    }

    private void endRequest() {
        waitingRequests.decrementAndGet();
    }

    /** @param isFirst whether a new group begins with the first event there is. */
    void join(Member member, Mode mode, boolean isFirst, int requestId) {
        post(() -> whenLoaded(
                () -> joinInTurn(member, mode, isFirst, requestId, false),
                fault -> refuse(member, requestId, ErrorCode.UNAVAILABLE, fault.sentence())));
    }

    /** @param limit in [1, 1,000]. */
    void fetch(Member member, int limit, int waitMs, int requestId) {
        post(() -> {
            endRequest();
            Group group = member.group;
            if (group == null) {
                member.session.refuse(requestId, ErrorCode.NOT_A_MEMBER, ErrorCode.NOT_A_MEMBER.meaning());
            } else if (member.fetch != null) {
                member.session.refuse(requestId, ErrorCode.BACK_PRESSURED, "a FETCH of this membership is under way");
            } else {
                member.fetch = new Fetch(requestId, limit, nowNs() + TimeUnit.MILLISECONDS.toNanos(waitMs));
                pump(group);
            }
        });
    }

    void settle(Member member, List<PositionRange> settled, List<PositionRange> released, int requestId) {
        post(() -> settleNow(member, settled, released, requestId));
    }

    void leave(Member member, int requestId) {
        post(() -> {
            endRequest();
            end(member, Left.Reason.REASON_ASKED, "", requestId);
        });
    }

    /** Ends a membership unasked. */
    void expel(Member member, Left.Reason reason, String sentence) {
        post(() -> end(member, reason, sentence, null));
    }

    /** All groups, perhaps only the first ones, by org, channel and name; fails where they can't be read. */
    public CompletableFuture<List<GroupStats>> list() {
        CompletableFuture<List<GroupStats>> answer = new CompletableFuture<>();
        post(() -> whenLoaded(
                () -> listNow(answer),
                fault -> answer.completeExceptionally(new IllegalStateException(fault.sentence()))));
        return answer;
    }

    /** Deletes a group. @return why it could not be; an empty text where it was. */
    public CompletableFuture<String> delete(String org, String channel, String name) {
        CompletableFuture<String> answer = new CompletableFuture<>();
        post(() -> whenLoaded(
                () -> deleteInTurn(new GroupKey(org, channel, name), answer),
                fault -> answer.complete(fault.sentence())));
        return answer;
    }

    // ---- the thread

    private long nowNs() {
        return ShardClock.monotonicNs() - startNs + 1;
    }

    private void run() {
        while (!isClosed) {
            try {
                for (Runnable task = tasks.poll(); task != null && !isClosed; task = tasks.poll()) {
                    task.run();
                }
                seeGrown();
                load();
                look();
                if (isEnding && tasks.isEmpty() && active.stream().noneMatch(group -> group.isSaving)) {
                    return;
                }
                if (tasks.isEmpty() && !isGrown.get() && !isClosed) {
                    LockSupport.parkNanos(this, Math.max(1, Math.min(LOOK_NS, nextLookNs - nowNs())));
                }
            } catch (RuntimeException | AssertionError defect) {
                onDefect(defect);
            }
        }
    }

    /** A defect with one group leaves the others alone. */
    private void guarded(Runnable work) {
        try {
            work.run();
        } catch (RuntimeException | AssertionError defect) {
            onDefect(defect);
        }
    }

    private void onDefect(Throwable defect) {
        LOG.error("defect in the groups", defect);
        metrics.add(Counter.DEFECTS, 1);
    }

    private void seeGrown() {
        if (!isGrown.getAndSet(false)) {
            return;
        }
        for (Long number : List.copyOf(grown.keySet())) {
            Long next = grown.remove(number);
            ChannelGroups channel = byNumber.get(number);
            if (next == null || channel == null) {
                continue;
            }
            channel.next = Math.max(channel.next, next);
            for (Group group : channel.groups.values()) {
                if (!group.members.isEmpty()) {
                    pump(group);
                }
            }
        }
    }

    /** Does what is due. */
    private void look() {
        long now = nowNs();
        if (now >= nextGaugesNs) {
            nextGaugesNs = now + LOOK_NS;
            gauge();
        }
        if (now < nextLookNs) {
            return;
        }
        nextLookNs = nextGaugesNs;
        for (Group group : List.copyOf(active)) {
            guarded(() -> look(group, now));
        }
    }

    private void look(Group group, long now) {
        if (now >= group.saveAtNs) {
            save(group);
        }
        if (!group.members.isEmpty()) {
            pump(group);
        } else if (!group.isDirty() && !group.isReading && now - group.leftNs > IDLE_NS) {
            // Not while a page is on its way: it would not follow on what is then known.
            group.ledger.reset();
            active.remove(group);
        }
        nextLookNs = Math.min(nextLookNs, group.wakeNs(now));
    }

    private void gauge() {
        long[] lags = new long[channels.all().size()];
        for (ChannelGroups each : byChannel.values()) {
            Channel channel = channels.of(each.name);
            if (channel != null) {
                for (Group group : each.groups.values()) {
                    lags[channel.index()] = Math.max(lags[channel.index()], group.lag());
                }
            }
        }
        for (int i = 0; i < lags.length; i++) {
            metrics.set(i, ChannelGauge.GROUP_LAG, lags[i]);
        }
    }

    private void count(Group group, ChannelCounter counter, long count) {
        Channel channel = channels.of(group.key.channel());
        if (channel != null && count > 0) {
            metrics.add(channel.index(), counter, count);
        }
    }

    /** Asks the engine; its answer comes on this thread. Where a defect ends what was to follow, that is a fault too: who waits for it is refused. */
    private <T extends @Nullable Object> void ask(
            Consumer<Answer<T>> question, Consumer<T> onDone, Consumer<EngineFault> onFault) {
        Answer<T> answer = back(onDone, onFault);
        try {
            question.accept(answer);
        } catch (RuntimeException | AssertionError defect) {
            onDefect(defect);
            answer.onFault(EngineFault.FAILED);
        }
    }

    private <T extends @Nullable Object> Answer<T> back(Consumer<T> onDone, Consumer<EngineFault> onFault) {
        return new Answer<>() {
            @Override
            public void onDone(T result) {
                post(() -> {
                    try {
                        onDone.accept(result);
                    } catch (RuntimeException | AssertionError defect) {
                        onDefect(defect);
                        onFault.accept(EngineFault.FAILED);
                    }
                });
            }

            @Override
            public void onFault(EngineFault fault) {
                post(() -> onFault.accept(fault));
            }
        };
    }

    private static ErrorCode codeOf(EngineFault fault) {
        return fault == EngineFault.FULL ? ErrorCode.STORE_FULL : ErrorCode.UNAVAILABLE;
    }

    // ---- what is stored, at the start

    private void whenLoaded(Runnable work, Consumer<EngineFault> refuse) {
        if (loadFrom == null) {
            work.run();
        } else {
            untilLoaded.add(new Untold(work, refuse));
        }
    }

    private void load() {
        byte[] from = loadFrom;
        if (from == null || isLoading || nowNs() < loadAgainAtNs) {
            return;
        }
        isLoading = true;
        ask(answer -> state.scan(SPACE, from, null, SCANNED_COUNT, answer), this::onLoaded, fault -> {
            isLoading = false;
            loadAgainAtNs = nowNs() + LOOK_NS;
            LOG.warn("the groups can't be read now: {}", fault.sentence());
            List<Untold> those = List.copyOf(untilLoaded);
            untilLoaded.clear();
            those.forEach(each -> each.refuse.accept(fault));
        });
    }

    private void onLoaded(List<KeyedState.Value> page) {
        isLoading = false;
        for (KeyedState.Value value : page) {
            loadOne(value);
            loadFrom = Arrays.copyOf(value.key(), value.key().length + 1);
        }
        if (page.size() < SCANNED_COUNT) {
            loadFrom = null;
            begin();
            List<Untold> those = List.copyOf(untilLoaded);
            untilLoaded.clear();
            those.forEach(each -> each.work.run());
        }
    }

    private void loadOne(KeyedState.Value value) {
        try {
            GroupKey key = GroupKey.of(value.key());
            GroupRecord record = GroupRecord.of(value.bytes());
            ChannelGroups channel = channelOf(key);
            Group group = new Group(key, record.mode(), channel, new Ledger(config, record.settled()), value.version());
            group.isDeleting = !record.isLive();
            channel.groups.put(key.name(), group);
            countByOrg.merge(key.org(), 1, Integer::sum);
        } catch (IllegalArgumentException damaged) {
            LOG.error("a group can't be read, and is made anew when somebody joins it: {}", damaged.getMessage());
        }
    }

    /** Looks for the logs of all channels that have groups, and ends what was cut off. */
    private void begin() {
        LOG.info(
                "consumer groups: count={}",
                countByOrg.values().stream().mapToInt(Integer::intValue).sum());
        for (ChannelGroups channel : List.copyOf(byChannel.values())) {
            channel.inTurn(() -> begin(channel, channel::endTurn, fault -> {
                LOG.warn(
                        "the log of a channel can't be read now: channel={}, reason={}",
                        channel.name,
                        fault.sentence());
                channel.endTurn();
            }));
            for (Group group : List.copyOf(channel.groups.values())) {
                if (group.isDeleting) {
                    channel.inTurn(() -> erase(group, ignored -> {}));
                }
            }
        }
    }

    private ChannelGroups channelOf(GroupKey key) {
        return byChannel.computeIfAbsent(
                List.of(key.org(), key.channel()), any -> new ChannelGroups(key.org(), key.channel()));
    }

    private void begin(ChannelGroups channel, Runnable onDone, Consumer<EngineFault> onFault) {
        begin(channel, begun -> onDone.run(), onFault);
    }

    private void begin(ChannelGroups channel, Consumer<ChannelLog.Begun> onDone, Consumer<EngineFault> onFault) {
        ask(
                answer -> log.begin(channel.org, channel.name, answer),
                (ChannelLog.Begun begun) -> {
                    channel.number = begun.channel();
                    channel.next = Math.max(channel.next, begun.nextPosition());
                    byNumber.put(channel.number, channel);
                    onDone.accept(begun);
                },
                onFault);
    }

    // ---- joining and leaving

    private void refuse(Member member, int requestId, ErrorCode code, String sentence) {
        endRequest();
        member.isOver = true;
        member.session.refuseJoin(member, requestId, code, sentence);
    }

    /** @param isAgain whether a group of that name that was being deleted stood in the way before. */
    private void joinInTurn(Member member, Mode mode, boolean isFirst, int requestId, boolean isAgain) {
        ChannelGroups channel = channelOf(member.key);
        channel.inTurn(() -> {
            Group group = channel.groups.get(member.key.name());
            if (member.isOver || isEnding) {
                refuse(member, requestId, ErrorCode.UNAVAILABLE, ENDING);
                endTurn(channel);
            } else if (group == null) {
                make(member, mode, isFirst, requestId);
            } else if (group.isDeleting && !isAgain) {
                joinInTurn(member, mode, isFirst, requestId, true);
                erase(group, why -> {});
            } else {
                begin(
                        channel,
                        () -> {
                            add(member, group, mode, true, requestId);
                            endTurn(channel);
                        },
                        fault -> {
                            refuse(member, requestId, ErrorCode.UNAVAILABLE, fault.sentence());
                            endTurn(channel);
                        });
            }
        });
    }

    /** A channel without groups is forgotten. */
    private void endTurn(ChannelGroups channel) {
        channel.endTurn();
        if (!channel.isBusy() && channel.groups.isEmpty()) {
            byChannel.remove(List.of(channel.org, channel.name), channel);
            byNumber.remove(channel.number, channel);
        }
    }

    private void make(Member member, Mode mode, boolean isFirst, int requestId) {
        ChannelGroups channel = channelOf(member.key);
        GroupKey key = member.key;
        int count = countByOrg.getOrDefault(key.org(), 0);
        if (count >= config.perOrgLimitCount()) {
            refuse(
                    member,
                    requestId,
                    ErrorCode.TOO_MANY_GROUPS,
                    "the org has as many groups as it may: limit=" + config.perOrgLimitCount()
                            + " (groups.per-org-limit-count)");
            endTurn(channel);
            return;
        }
        countByOrg.put(key.org(), count + 1);
        Group made = new Group(key, mode, channel, new Ledger(config, new Settled(1)), KeyedState.NO_VERSION);
        Consumer<EngineFault> onFault = fault -> {
            refuse(member, requestId, codeOf(fault), fault.sentence());
            made.isDeleting = true;
            channel.groups.put(key.name(), made);
            // What was begun is ended; where that fails too, an operator's delete or the next start does it.
            erase(made, why -> {
                if (!why.isEmpty()) {
                    LOG.warn("a group that could not be made is left behind: name={}, reason={}", key.name(), why);
                }
            });
        };
        put(
                made,
                false,
                () -> begin(
                        channel,
                        begun -> {
                            long floor = isFirst ? begun.firstPosition() : begun.nextPosition();
                            Group group =
                                    new Group(key, mode, channel, new Ledger(config, new Settled(floor)), made.version);
                            put(
                                    group,
                                    true,
                                    () -> {
                                        made.version = group.version;
                                        channel.groups.put(key.name(), group);
                                        LOG.info(
                                                "a consumer group is made: channel={}, name={}, mode={}, floor={}",
                                                key.channel(),
                                                key.name(),
                                                mode.label(),
                                                floor);
                                        add(member, group, mode, false, requestId);
                                        endTurn(channel);
                                    },
                                    onFault);
                        },
                        onFault),
                onFault);
    }

    /** Stores a group's record, whoever has written it before: nobody else does. */
    private void put(Group group, boolean isLive, Runnable onStored, Consumer<EngineFault> onFault) {
        ask(
                answer -> state.put(
                        SPACE,
                        group.key.bytes(),
                        group.version,
                        GroupRecord.bytes(group.mode, isLive, group.ledger.settled()),
                        KeyedState.NEVER_EXPIRES,
                        answer),
                (KeyedState.Outcome outcome) -> {
                    group.version = outcome.version();
                    if (outcome.isStored()) {
                        onStored.run();
                    } else {
                        // An earlier write whose end was not known has been stored.
                        put(group, isLive, onStored, onFault);
                    }
                },
                onFault);
    }

    private void add(Member member, Group group, Mode mode, boolean existed, int requestId) {
        if (member.isOver || isEnding) {
            refuse(member, requestId, ErrorCode.UNAVAILABLE, ENDING);
        } else if (group.isDeleting) {
            refuse(member, requestId, ErrorCode.UNAVAILABLE, DELETING);
        } else if (group.mode != mode) {
            refuse(
                    member,
                    requestId,
                    ErrorCode.BAD_REQUEST,
                    "the group is there, and its mode is " + group.mode.label());
        } else if (mode == Mode.SHARED && group.members.size() >= config.membersLimitCount()) {
            refuse(
                    member,
                    requestId,
                    ErrorCode.TOO_MANY_GROUPS,
                    "the group has as many members as it may: limit=" + config.membersLimitCount()
                            + " (groups.members-limit-count)");
        } else {
            endRequest();
            if (mode == Mode.OBSERVER) {
                for (Member before : List.copyOf(group.members)) {
                    end(before, Left.Reason.REASON_TAKEN_OVER, "another one observes under this name", null);
                }
            }
            group.members.add(member);
            member.group = group;
            active.add(group);
            member.session.joined(
                    member,
                    requestId,
                    Joined.newBuilder()
                            .setMember(member.number)
                            .setExisted(existed)
                            .setSettleTimeoutMs(config.settleTimeoutMs())
                            .setInFlightLimit(config.inFlightLimitCount())
                            .setLag(group.lag())
                            .build());
            pump(group);
        }
    }

    /** @param requestId of a LEAVE; null for unasked. */
    private void end(Member member, Left.Reason reason, String sentence, @Nullable Integer requestId) {
        member.isOver = true;
        Group group = member.group;
        if (group == null) {
            // It has not joined yet, and will not; or it was told already.
            if (requestId != null) {
                member.session.refuse(requestId, ErrorCode.NOT_A_MEMBER, ErrorCode.NOT_A_MEMBER.meaning());
            }
            return;
        }
        Fetch fetch = member.fetch;
        if (fetch != null) {
            answer(member, fetch, List.of(), null);
        }
        member.group = null;
        group.members.remove(member);
        guarded(() -> group.ledger.leave(member.hands, nowNs()));
        member.session.left(member, requestId, reason, sentence);
        if (group.members.isEmpty()) {
            group.ledger.forget(0);
            group.leftNs = nowNs();
        } else {
            pump(group);
        }
    }

    // ---- handing out

    /** Gives the members that wait what there is for them, and reads on where there is not enough. */
    private void pump(Group group) {
        guarded(() -> pumpNow(group));
    }

    private void pumpNow(Group group) {
        long now = nowNs();
        long nowUs = ShardClock.wallUs();
        Ledger ledger = group.ledger;
        ledger.advance(now);
        long missing = 0;
        boolean isStarved = false;
        List<Member> members = group.members;
        int first = group.turn;
        for (int i = 0; i < members.size(); i++) {
            int at = (first + i) % members.size();
            Member member = members.get(at);
            Fetch fetch = member.fetch;
            if (fetch == null) {
                continue;
            }
            List<Ledger.Taken> taken = ledger.take(member.hands, fetch.limit(), now, nowUs);
            if (!taken.isEmpty() || ledger.hasLost()) {
                answer(member, fetch, taken, ledger.takeLost());
                count(group, ChannelCounter.GROUP_HANDED_OUT, taken.size());
                group.turn = at + 1;
            } else if (fetch.untilNs() <= now) {
                answer(member, fetch, List.of(), null);
            } else {
                missing = missing == 0 ? ledger.missing() : missing;
                isStarved |= ledger.isStarved();
            }
        }
        count(group, ChannelCounter.GROUP_REPEATED, ledger.againCount() - group.countedAgain);
        count(group, ChannelCounter.GROUP_LOST, ledger.lostCount() - group.countedLost);
        count(group, ChannelCounter.EXPIRED, ledger.expiredCount() - group.countedExpired);
        group.countedAgain = ledger.againCount();
        group.countedLost = ledger.lostCount();
        group.countedExpired = ledger.expiredCount();
        if (group.isDirty() && group.saveAtNs == Long.MAX_VALUE) {
            group.saveAtNs = now + LOOK_NS;
        }
        read(group, missing, isStarved);
        nextLookNs = Math.min(nextLookNs, group.wakeNs(now));
    }

    private static void answer(Member member, Fetch fetch, List<Ledger.Taken> taken, Ledger.@Nullable Range lost) {
        int bytes = 0;
        for (Ledger.Taken each : taken) {
            bytes += itemBytes(each.topic(), each.entry());
        }
        ByteBuf out = Unpooled.buffer(FetchedFrame.ITEMS_AT + bytes);
        FetchedFrame.writeHead(
                out,
                fetch.requestId(),
                new FetchedFrame.Head(taken.size(), lost == null ? 0 : lost.from(), lost == null ? 0 : lost.to()),
                bytes);
        for (Ledger.Taken each : taken) {
            FetchedFrame.writeItemHead(out, each.position(), each.attempt(), each.epoch(), each.topic());
            int eventAt = out.writerIndex();
            ByteBuf entry = Unpooled.wrappedBuffer(each.entry());
            out.writeBytes(entry, StoredEntry.frameAt(entry, 0), StoredEntry.frameBytes(entry, 0));
            out.setIntLE(eventAt + FrameHeader.HANDLE_AT, 0);
        }
        member.fetch = null;
        member.session.fetched(member, fetch.requestId(), out);
    }

    private static int itemBytes(String topic, byte[] entry) {
        return FetchedFrame.ITEM_HEAD_BYTES
                + topic.getBytes(StandardCharsets.UTF_8).length
                + StoredEntry.frameBytes(Unpooled.wrappedBuffer(entry), 0);
    }

    /**
     * Reads a page of the channel where somebody needs one, or will soon.
     *
     * @param missing the position of an event that was forgotten and is wanted; 0 for none.
     * @param isStarved whether somebody waits for what was not read yet.
     */
    private void read(Group group, long missing, boolean isStarved) {
        Ledger ledger = group.ledger;
        ChannelGroups channel = group.channel;
        if (group.isReading
                || group.isDeleting
                || group.members.isEmpty()
                || channel.number == ChannelGroups.NOT_BEGUN
                || nowNs() < group.readAgainAtNs) {
            return;
        }
        int limitBytes = config.aheadLimitBytes();
        long from = missing;
        int count = READ_COUNT_MAX;
        if (missing == 0) {
            boolean isWanted = isStarved || ledger.heldBytes() < limitBytes / 2;
            count = Math.min(READ_COUNT_MAX, ledger.readRoom());
            if (!isWanted || count <= 0 || ledger.readTo() >= channel.next) {
                return;
            }
            from = ledger.readTo();
        }
        // What is held and wanted by nobody now makes room for what is.
        ledger.forget(limitBytes / 2);
        group.isReading = true;
        long wanted = from;
        int countMax = count;
        ask(
                answer -> log.read(channel.number, wanted, countMax, limitBytes / 2, answer),
                (ChannelLog.Page page) -> onRead(group, wanted, page),
                fault -> {
                    group.isReading = false;
                    group.readAgainAtNs = nowNs() + LOOK_NS;
                    LOG.warn(
                            "a channel can't be read for a group now: channel={}, name={}, reason={}",
                            group.key.channel(),
                            group.key.name(),
                            fault.sentence());
                    pump(group);
                });
    }

    private void onRead(Group group, long from, ChannelLog.Page page) {
        group.isReading = false;
        if (group.members.isEmpty() || group.isDeleting) {
            return;
        }
        Ledger ledger = group.ledger;
        group.channel.next = Math.max(group.channel.next, page.nextPosition());
        if (page.firstPosition() > from) {
            ledger.keptFrom(page.firstPosition());
        }
        for (ChannelLog.Item item : page.items()) {
            byte[] entry = item.entry();
            ledger.load(
                    item.position(),
                    item.stream(),
                    item.topic(),
                    item.epoch(),
                    entry,
                    entry == null ? Ledger.Facts.NONE : factsOf(item.topic(), entry));
        }
        if (page.items().isEmpty() && page.firstPosition() <= from) {
            // It was said that there is more, and there is not: not asked for again and again.
            group.readAgainAtNs = nowNs() + LOOK_NS;
        }
        pump(group);
    }

    private static Ledger.Facts factsOf(String topic, byte[] entry) {
        ByteBuf in = Unpooled.wrappedBuffer(entry);
        return new Ledger.Facts(
                itemBytes(topic, entry),
                StoredEntry.storedAtUs(in, 0),
                EventFrame.expiresAtUs(in, StoredEntry.frameAt(in, 0)));
    }

    // ---- settling

    private void settleNow(Member member, List<PositionRange> settled, List<PositionRange> released, int requestId) {
        Group group = member.group;
        if (group == null) {
            endRequest();
            member.session.refuse(requestId, ErrorCode.NOT_A_MEMBER, ErrorCode.NOT_A_MEMBER.meaning());
            return;
        }
        Ledger ledger = group.ledger;
        int count = 0;
        for (PositionRange range : settled) {
            count += ledger.settle(member.hands, clamped(range.getFrom()), clamped(range.getTo()));
        }
        for (PositionRange range : released) {
            ledger.release(member.hands, clamped(range.getFrom()), clamped(range.getTo()), nowNs());
        }
        count(group, ChannelCounter.GROUP_SETTLED, count);
        Group.Settling settling = new Group.Settling(member, requestId, count, this::endRequest);
        if (!group.isDirty()) {
            settled(settling);
        } else if (group.isSaving && group.savingChanges == ledger.changes()) {
            group.saving.add(settling);
        } else {
            group.unsaved.add(settling);
            save(group);
        }
        pump(group);
    }

    /** Positions are unsigned in what clients send. */
    private static long clamped(long position) {
        return position < 0 ? Long.MAX_VALUE : position;
    }

    private static void settled(Group.Settling settling) {
        settling.onEnd().run();
        settling.member().session.settled(settling.requestId(), settling.count());
    }

    /** Stores what is settled, unless that is under way; then it is stored again when it has ended. */
    private void save(Group group) {
        group.saveAtNs = Long.MAX_VALUE;
        if (group.isSaving || group.isDeleting || !group.isDirty()) {
            return;
        }
        Ledger ledger = group.ledger;
        long floor = ledger.settled().floor();
        group.isSaving = true;
        group.savingChanges = ledger.changes();
        group.saving = group.unsaved;
        group.unsaved = new ArrayList<>();
        active.add(group);
        put(
                group,
                true,
                () -> {
                    group.isSaving = false;
                    group.savedChanges = group.savingChanges;
                    group.savedFloor = floor;
                    endSaving(group, Groups::settled);
                    release(group.channel);
                },
                fault -> {
                    group.isSaving = false;
                    group.saveAtNs = nowNs() + LOOK_NS;
                    endSaving(group, settling -> {
                        settling.onEnd().run();
                        settling.member().session.refuse(settling.requestId(), codeOf(fault), fault.sentence());
                    });
                });
    }

    private void endSaving(Group group, Consumer<Group.Settling> tell) {
        List<Group.Settling> told = group.saving;
        group.saving = new ArrayList<>();
        told.forEach(tell);
        if (group.isDirty() && group.saveAtNs == Long.MAX_VALUE) {
            group.saveAtNs = nowNs() + LOOK_NS;
        }
        nextLookNs = Math.min(nextLookNs, group.saveAtNs);
        if (group.isDeleting) {
            Runnable next = group.onSaved;
            group.onSaved = null;
            if (next != null) {
                next.run();
            }
        } else if (!group.unsaved.isEmpty()) {
            save(group);
        }
    }

    /** Tells the log what none of its groups needs any more. */
    private void release(ChannelGroups channel) {
        if (channel.isBusy() || channel.number == ChannelGroups.NOT_BEGUN) {
            return;
        }
        long lowest = Long.MAX_VALUE;
        for (Group group : channel.groups.values()) {
            lowest = Math.min(lowest, group.savedFloor);
        }
        if (lowest != Long.MAX_VALUE && lowest > channel.released) {
            channel.released = lowest;
            log.release(channel.number, lowest);
        }
    }

    // ---- operators

    private void listNow(CompletableFuture<List<GroupStats>> answer) {
        List<GroupStats> rows = new ArrayList<>();
        int[] left = {1};
        int lookedUp = 0;
        Runnable onRow = () -> {
            if (--left[0] == 0) {
                answer.complete(List.copyOf(rows));
            }
        };
        List<ChannelGroups> sorted = new ArrayList<>(byChannel.values());
        sorted.sort((a, b) -> a.org.equals(b.org) ? a.name.compareTo(b.name) : a.org.compareTo(b.org));
        for (ChannelGroups channel : sorted) {
            for (Group group : channel.groups.values()) {
                if (rows.size() == LISTED_COUNT_MAX) {
                    break;
                }
                int at = rows.size();
                long storedAtUs = group.ledger.oldestStoredAtUs();
                rows.add(rowOf(group, storedAtUs));
                if (group.lag() > 0
                        && storedAtUs == 0
                        && channel.number != ChannelGroups.NOT_BEGUN
                        && lookedUp < LOOKED_UP_COUNT_MAX) {
                    lookedUp++;
                    left[0]++;
                    Consumer<EngineFault> onFault = fault -> onRow.run();
                    ask(
                            answerRow -> log.read(
                                    channel.number, group.ledger.settled().floor(), 1, 1, answerRow),
                            (ChannelLog.Page page) -> {
                                byte[] entry = page.items().isEmpty()
                                        ? null
                                        : page.items().get(0).entry();
                                if (entry != null) {
                                    rows.set(
                                            at, rowOf(group, StoredEntry.storedAtUs(Unpooled.wrappedBuffer(entry), 0)));
                                }
                                onRow.run();
                            },
                            onFault);
                }
            }
        }
        onRow.run();
    }

    private static GroupStats rowOf(Group group, long storedAtUs) {
        return new GroupStats(
                group.key.org(),
                group.key.channel(),
                group.key.name(),
                group.mode.label(),
                group.members.size(),
                group.ledger.settled().floor(),
                group.lag(),
                group.ledger.inHandCount(),
                storedAtUs == 0 || group.lag() == 0 ? 0 : Math.max(0, ShardClock.wallUs() - storedAtUs));
    }

    private void deleteInTurn(GroupKey key, CompletableFuture<String> answer) {
        ChannelGroups channel = byChannel.get(List.of(key.org(), key.channel()));
        if (channel == null) {
            answer.complete("there is no such group");
            return;
        }
        channel.inTurn(() -> {
            Group group = channel.groups.get(key.name());
            if (group == null) {
                answer.complete("there is no such group");
                endTurn(channel);
                return;
            }
            group.isDeleting = true;
            for (Group.Settling settling : group.unsaved) {
                settling.onEnd().run();
                settling.member().session.refuse(settling.requestId(), ErrorCode.UNAVAILABLE, DELETING);
            }
            group.unsaved.clear();
            for (Member member : List.copyOf(group.members)) {
                end(member, Left.Reason.REASON_DELETED, "an operator has deleted the group", null);
            }
            if (group.isSaving) {
                group.onSaved = () -> erase(group, answer::complete);
            } else {
                erase(group, answer::complete);
            }
        });
    }

    /** Removes a group, and its channel's log where it is the last; ends the turn. @param onEnd gets why it could not be, or an empty text. */
    private void erase(Group group, Consumer<String> onEnd) {
        ChannelGroups channel = group.channel;
        Consumer<EngineFault> onFault = fault -> {
            onEnd.accept(
                    "it could not be deleted, and is not used any more: " + fault.sentence() + "; delete it again");
            endTurn(channel);
        };
        Runnable delete = () -> ask(
                answer -> state.put(
                        SPACE, group.key.bytes(), KeyedState.ANY_VERSION, null, KeyedState.NEVER_EXPIRES, answer),
                (KeyedState.Outcome outcome) -> {
                    forget(group);
                    onEnd.accept("");
                    endTurn(channel);
                },
                onFault);
        put(
                group,
                false,
                () -> {
                    boolean isLast = channel.groups.values().stream().allMatch(each -> each == group);
                    if (isLast) {
                        endLog(channel, delete, onFault);
                    } else {
                        delete.run();
                    }
                },
                onFault);
    }

    private void endLog(ChannelGroups channel, Runnable onDone, Consumer<EngineFault> onFault) {
        ask(
                (Answer<ChannelLog.@Nullable Begun> answer) -> log.find(channel.org, channel.name, answer),
                begun -> {
                    if (begun == null) {
                        onDone.run();
                    } else {
                        ask(
                                (Answer<Boolean> answer) -> log.end(begun.channel(), answer),
                                ended -> onDone.run(),
                                onFault);
                    }
                },
                onFault);
    }

    private void forget(Group group) {
        LOG.info("a consumer group is deleted: channel={}, name={}", group.key.channel(), group.key.name());
        group.channel.groups.remove(group.key.name(), group);
        active.remove(group);
        countByOrg.computeIfPresent(group.key.org(), (org, count) -> count == 1 ? null : count - 1);
    }
}
