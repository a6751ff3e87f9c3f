package hermod.client.internal;

import hermod.client.ChannelConsumer;
import hermod.client.ChannelEvent;
import hermod.client.ChannelHandler;
import hermod.client.ConsumeOptions;
import hermod.client.ConsumerState;
import hermod.client.HermodException;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Fetch;
import hermod.protocol.control.wire.Join;
import hermod.protocol.control.wire.Joined;
import hermod.protocol.control.wire.Leave;
import hermod.protocol.control.wire.Left;
import hermod.protocol.control.wire.PositionRange;
import hermod.protocol.control.wire.Settle;
import hermod.protocol.frame.FetchedFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * One membership in a group: joins on each connection, fetches while there is room, has the events handled, settles.
 *
 * <pre>
 *   FETCHED ──▶ lane of its topic ──▶ handler (a thread of this consumer's own) ──▶ settled or released ──▶ SETTLE
 * </pre>
 *
 * <p>What the broker takes back, because it was released or not settled in time, it takes back with all behind it of its topic; so that is dropped here too, and comes again. Loop thread only, but for what {@link ChannelConsumer} has.
 */
final class GroupConsumer implements ChannelConsumer {
    private static final int SETTLED_AT_ONCE = 100;
    private static final int RANGES_MAX = 1_000;
    private static final int JOIN_RETRIES_MAX = 5;
    private static final int MEAN_OF = 8;
    private static final int WAIT_MS_MAX = 60_000;
    private static final long SETTLE_DELAY_NS = TimeUnit.MILLISECONDS.toNanos(50);
    private static final long RETRY_NS_MIN = TimeUnit.SECONDS.toNanos(1);
    private static final long LEAVE_NS_MAX = TimeUnit.SECONDS.toNanos(5);
    private static final long CLOSE_S_MAX = 10;

    /** What is joined. */
    record Place(String channel, String group, boolean isObserver) {}

    /** @param membership counts this consumer's. */
    private record Item(long position, int attempt, ReceivedEvent event, long receivedNs, int membership) {}

    /** What is in hands of one topic. */
    private static final class Lane {
        final String topic;
        final ArrayDeque<Item> queue = new ArrayDeque<>(1);
        boolean isRunning;

        /** Among those that wait for their turn. */
        boolean isReady;

        /** This one was released: what comes behind it is what the broker takes back. 0 for none. */
        long released;

        /** The SETTLE that says so. */
        int releasedBy;

        Lane(String topic) {
            this.topic = topic;
        }
    }

    private final Session session;
    private final Completions completions;
    private final ListenerFaults faults;
    private final Place place;
    private final ConsumeOptions options;
    private final ChannelHandler handler;
    private final ExecutorService threads;
    private final int waitMs;
    private final CompletableFuture<ChannelConsumer> joined = new CompletableFuture<>();
    private final List<CompletableFuture<Void>> leavers = new ArrayList<>();
    private volatile ConsumerState state = ConsumerState.JOINING;

    // ---- the membership
    /** 0 for none. */
    private long member;

    private int memberships;
    private long settleTimeoutNs;
    private int inHandsMax;
    private boolean wasJoined;
    private boolean isJoining;
    private boolean isFetching;
    private boolean isSettling;
    private boolean isLeaveSent;
    private int joinFailures;
    private long notBeforeNs = System.nanoTime();
    private long leaveByNs;

    // ---- what is in hands
    private final Map<String, Lane> lanes = new HashMap<>();
    private final ArrayDeque<Lane> ready = new ArrayDeque<>();
    private int running;

    /** Of this membership, waiting or running. */
    private int inHands;

    /** A running mean; 0 before the first one. */
    private long handlingNs;

    private TreeSet<Long> settled = new TreeSet<>();
    private TreeSet<Long> released = new TreeSet<>();
    private long settleAtNs;
    private int settleCount;

    GroupConsumer(
            Session session,
            Completions completions,
            ListenerFaults faults,
            long requestTimeoutNs,
            Place place,
            ConsumeOptions options,
            ChannelHandler handler) {
        this.session = session;
        this.completions = completions;
        this.faults = faults;
        this.place = place;
        this.options = options;
        this.handler = handler;
        // So that a connection that is dead is found as with any other request.
        waitMs = (int) Math.max(1, Math.min(WAIT_MS_MAX, TimeUnit.NANOSECONDS.toMillis(requestTimeoutNs) / 2));
        threads = ClientThreads.newConsumerThreads(options.parallelism());
    }

    // ---- any thread

    /** Completes with this when the broker has taken it for the first time. */
    CompletableFuture<ChannelConsumer> joined() {
        return joined;
    }

    @Override
    public String channel() {
        return place.channel;
    }

    @Override
    public String group() {
        return place.group;
    }

    @Override
    public ConsumerState state() {
        return state;
    }

    @Override
    public CompletableFuture<Void> leave() {
        CompletableFuture<Void> left = new CompletableFuture<>();
        boolean isTaken = session.execute(() -> {
            leavers.add(left);
            onLeave();
            session.settle();
        });
        if (!isTaken) {
            left.complete(null);
        }
        return left;
    }

    @Override
    public void close() {
        CompletableFuture<Void> left = leave();
        if (!ClientThreads.isCurrent()) {
            left.completeOnTimeout(null, CLOSE_S_MAX, TimeUnit.SECONDS).join();
        }
    }

    @Override
    public String toString() {
        return "ChannelConsumer[channel=" + place.channel + ", group=" + place.group + ", state=" + state + "]";
    }

    // ---- the membership

    boolean isEnded() {
        return state == ConsumerState.ENDED;
    }

    private boolean isLeaving() {
        return state == ConsumerState.LEAVING;
    }

    /** Sends what is due; the caller flushes. */
    void send(Connection to, long nowNs) {
        if (isEnded()) {
            return;
        }
        if (member == 0) {
            if (isLeaving() && !isJoining) {
                end(null);
            } else if (!isJoining && nowNs - notBeforeNs >= 0) {
                join(to, nowNs);
            }
            return;
        }
        run(nowNs);
        settle(to, nowNs);
        if (isLeaving()) {
            leaveWhenDone(to, nowNs);
        } else {
            fetch(to, nowNs);
        }
    }

    private void join(Connection to, long nowNs) {
        if (!to.has(Feature.GROUP)) {
            end(new HermodException(ErrorCode.UNSUPPORTED, "the broker has no consumer groups"));
            return;
        }
        isJoining = true;
        Join message = Join.newBuilder()
                .setChannel(place.channel)
                .setGroup(place.group)
                .setMode(place.isObserver ? Join.Mode.MODE_OBSERVER : Join.Mode.MODE_SHARED)
                .setStart(options.isFromFirst() ? Join.Start.START_FIRST : Join.Start.START_NOW)
                .build();
        to.request(FrameType.JOIN, message, FrameType.JOINED, nowNs, new Requests.Answer() {
            @Override
            public void onAnswer(ByteBuf in, int at) throws ProtocolException {
                isJoining = false;
                onJoined(ControlCodec.decode(Joined.parser(), in, at));
            }

            @Override
            public void onFailure(HermodException why) {
                isJoining = false;
                if (isLeaving()) {
                    end(null);
                } else if (isPassing(why)) {
                    waitFor(why);
                } else {
                    end(why);
                }
            }
        });
    }

    private void onJoined(Joined told) throws ProtocolException {
        if (told.getMember() == 0) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "a membership without a number");
        }
        member = told.getMember();
        memberships++;
        settleTimeoutNs = TimeUnit.MILLISECONDS.toNanos(Integer.toUnsignedLong(told.getSettleTimeoutMs()));
        inHandsMax = Math.min(options.inHandsMax(), Math.max(1, told.getInFlightLimit()));
        joinFailures = 0;
        wasJoined = true;
        if (!isLeaving()) {
            state = ConsumerState.ACTIVE;
        }
        completions.complete(joined, this);
    }

    /** Whether it is worth joining again. Where it has worked before, also where the broker only can't now, or counts those that were lost with their connections. */
    private boolean isPassing(HermodException why) {
        boolean isForNow = why.isRetryable() || why.is(ErrorCode.NOT_ENABLED) || why.is(ErrorCode.TOO_MANY_GROUPS);
        if (why.code() == HermodException.TIMED_OUT || (wasJoined && isForNow)) {
            return true;
        }
        boolean isBusy = why.is(ErrorCode.BACK_PRESSURED) || why.is(ErrorCode.RATE_LIMITED);
        return isBusy && ++joinFailures <= JOIN_RETRIES_MAX;
    }

    private void waitFor(HermodException why) {
        long delayNs = Math.max(RETRY_NS_MIN, why.retryAfter().toNanos());
        notBeforeNs = System.nanoTime() + delayNs;
        session.settleIn(delayNs);
    }

    /** The broker has ended a membership unasked. */
    void onLeft(Left left) {
        if (member == 0 || left.getMember() != member) {
            return;
        }
        if (isLeaving()) {
            end(null);
            return;
        }
        switch (left.getReason()) {
            case REASON_TAKEN_OVER -> end(new HermodException(HermodException.TAKEN_OVER, left.getMessage()));
            case REASON_DELETED -> end(new HermodException(HermodException.GROUP_DELETED, left.getMessage()));
            case REASON_FORBIDDEN -> end(new HermodException(ErrorCode.FORBIDDEN, left.getMessage()));
            // The channel is off for a while, or the broker goes and another connection will come.
            default -> loseMembership(RETRY_NS_MIN);
        }
    }

    void onService() {
        notBeforeNs = System.nanoTime();
    }

    void onDisconnected() {
        isJoining = false;
        loseMembership(0);
        if (isLeaving()) {
            end(null);
        }
    }

    /** What was in hands comes again, to somebody; what is being handled goes on, and is no longer this membership's. */
    private void loseMembership(long delayNs) {
        member = 0;
        memberships++;
        isFetching = false;
        isSettling = false;
        inHands = 0;
        settled.clear();
        released.clear();
        ready.clear();
        lanes.values().forEach(lane -> {
            lane.queue.clear();
            lane.isReady = false;
            lane.released = 0;
        });
        lanes.values().removeIf(lane -> !lane.isRunning);
        if (!isLeaving() && !isEnded()) {
            state = ConsumerState.JOINING;
            notBeforeNs = System.nanoTime() + delayNs;
            session.settleIn(delayNs);
        }
    }

    /** The application wants no more. */
    void onLeave() {
        if (isEnded()) {
            leavers.forEach(completions::done);
            leavers.clear();
        } else if (session.openConnection() == null) {
            end(null);
        } else if (!isLeaving()) {
            state = ConsumerState.LEAVING;
            leaveByNs = System.nanoTime() + LEAVE_NS_MAX;
        }
    }

    private void leaveWhenDone(Connection to, long nowNs) {
        boolean isDone = inHands == 0 && settled.isEmpty() && released.isEmpty() && !isSettling;
        if (isLeaveSent || (!isDone && nowNs - leaveByNs < 0)) {
            return;
        }
        isLeaveSent = true;
        Leave message = Leave.newBuilder().setMember(member).build();
        to.request(FrameType.LEAVE, message, FrameType.LEFT, nowNs, new Requests.Answer() {
            @Override
            public void onAnswer(ByteBuf in, int at) {
                end(null);
            }

            @Override
            public void onFailure(HermodException why) {
                end(null);
            }
        });
    }

    /** For good. @param why null where it was asked for. */
    void end(@Nullable HermodException why) {
        if (isEnded()) {
            return;
        }
        state = ConsumerState.ENDED;
        loseMembership(0);
        HermodException reason =
                why == null ? new HermodException(HermodException.CLIENT_CLOSED, "the client is closed") : why;
        completions.fail(joined, reason);
        if (wasJoined && reason.code() != HermodException.CLIENT_CLOSED) {
            tell(() -> handler.onEnded(place.channel, reason));
        }
        threads.shutdown();
        leavers.forEach(completions::done);
        leavers.clear();
    }

    private void tell(Runnable word) {
        threads.execute(() -> {
            try {
                word.run();
            } catch (Throwable fault) {
                faults.add(place.channel, fault);
            }
        });
    }

    // ---- fetching

    private void fetch(Connection to, long nowNs) {
        int room = window() - inHands;
        if (isFetching || room <= 0 || nowNs - notBeforeNs < 0) {
            return;
        }
        isFetching = true;
        int membership = memberships;
        Fetch message = Fetch.newBuilder()
                .setMember(member)
                .setLimit(Math.min(room, ProtocolLimits.FETCHED_EVENTS))
                .setWaitMs(waitMs)
                .build();
        to.request(FrameType.FETCH, message, FrameType.FETCHED, nowNs, new Requests.Answer() {
            @Override
            public void onAnswer(ByteBuf in, int at) {
                if (membership == memberships) {
                    isFetching = false;
                    onFetched(to, in, at);
                }
            }

            @Override
            public void onFailure(HermodException why) {
                if (membership == memberships) {
                    isFetching = false;
                    onRefused(why);
                }
            }
        });
    }

    /** As many as are handled in a quarter of the time that the broker gives: what waited here for longer would be handed out twice. */
    private int window() {
        if (handlingNs == 0) {
            return Math.min(inHandsMax, options.parallelism());
        }
        long count = options.parallelism() * (settleTimeoutNs / 4) / handlingNs;
        return (int) Math.max(1, Math.min(inHandsMax, Math.max(options.parallelism(), count)));
    }

    private void onRefused(HermodException why) {
        if (why.is(ErrorCode.NOT_A_MEMBER)) {
            loseMembership(RETRY_NS_MIN);
        } else {
            waitFor(why);
        }
    }

    private void onFetched(Connection from, ByteBuf in, int at) {
        FetchedFrame.Head head = FetchedFrame.head(in, at);
        if (head.lostFrom() != 0) {
            tell(() -> handler.onLost(place.channel, head.lostFrom(), head.lostTo()));
        }
        if (isLeaving()) {
            // To others, with LEAVE.
            return;
        }
        long nowNs = System.nanoTime();
        long receivedAtUs = from.readAtUs() + session.clockOffsetUs();
        int end = at + FrameHeader.frameBytes(in, at);
        for (int next = FetchedFrame.itemsAt(in, at); next < end; next += FetchedFrame.itemBytes(in, next)) {
            ReceivedEvent event = ReceivedEvent.of(
                    FetchedFrame.topic(in, next),
                    FetchedFrame.epoch(in, next),
                    from.number(),
                    0,
                    receivedAtUs,
                    in,
                    FetchedFrame.eventAt(in, next));
            int attempt = FetchedFrame.attempt(in, next);
            add(new Item(FetchedFrame.position(in, next), attempt, event, nowNs, memberships));
        }
    }

    private void add(Item item) {
        Lane lane = lanes.computeIfAbsent(item.event.topic(), Lane::new);
        if (lane.released != 0 && item.position > lane.released) {
            return;
        }
        lane.released = 0;
        lane.queue.addLast(item);
        inHands++;
        makeReady(lane);
    }

    // ---- handling

    private void makeReady(Lane lane) {
        if (!lane.isRunning && !lane.isReady && !lane.queue.isEmpty()) {
            lane.isReady = true;
            ready.addLast(lane);
        }
    }

    /** Gives the handler what there are threads for. */
    private void run(long nowNs) {
        while (running < options.parallelism() && !ready.isEmpty()) {
            Lane lane = ready.removeFirst();
            lane.isReady = false;
            Item item = lane.queue.pollFirst();
            if (item == null || isLate(item, nowNs)) {
                // The broker is about to take it back, and all behind it.
                inHands -= item == null ? 0 : 1;
                makeReady(lane);
                forgetIfIdle(lane);
                continue;
            }
            running++;
            lane.isRunning = true;
            threads.execute(() -> handle(lane, item));
        }
    }

    /** With something to spare, since the broker's time began before ours. */
    private boolean isLate(Item item, long nowNs) {
        return settleTimeoutNs > 0 && nowNs - item.receivedNs >= settleTimeoutNs / 10 * 9;
    }

    private void forgetIfIdle(Lane lane) {
        if (!lane.isRunning && lane.queue.isEmpty() && lane.released == 0) {
            lanes.remove(lane.topic, lane);
        }
    }

    /** On a thread of the consumer's. */
    private void handle(Lane lane, Item item) {
        long beganNs = System.nanoTime();
        boolean isHandled = false;
        try {
            handler.onEvent(new ChannelEvent(item.position, item.attempt, item.event));
            isHandled = true;
        } catch (Throwable fault) {
            faults.add(lane.topic, fault);
        }
        boolean isSettled = isHandled;
        long tookNs = Math.max(1, System.nanoTime() - beganNs);
        session.execute(() -> onHandled(lane, item, isSettled, tookNs));
    }

    private void onHandled(Lane lane, Item item, boolean isSettled, long tookNs) {
        running--;
        lane.isRunning = false;
        handlingNs = handlingNs == 0 ? tookNs : Math.max(1, handlingNs + (tookNs - handlingNs) / MEAN_OF);
        if (!isEnded() && item.membership == memberships) {
            inHands--;
            long nowNs = System.nanoTime();
            if (settled.isEmpty() && released.isEmpty()) {
                settleAtNs = nowNs + SETTLE_DELAY_NS;
                session.settleIn(SETTLE_DELAY_NS);
            }
            if (isSettled) {
                settled.add(item.position);
                // It may have come again meanwhile.
                drop(lane, each -> each.position == item.position);
            } else {
                released.add(item.position);
                drop(lane, each -> each.position > item.position);
                lane.released = item.position;
                lane.releasedBy = settleCount + 1;
            }
            if (isLate(item, nowNs)) {
                drop(lane, each -> each.receivedNs - item.receivedNs < settleTimeoutNs);
            }
        }
        makeReady(lane);
        forgetIfIdle(lane);
        session.settleSoon();
    }

    private void drop(Lane lane, Predicate<Item> which) {
        int before = lane.queue.size();
        lane.queue.removeIf(which);
        inHands -= before - lane.queue.size();
    }

    // ---- settling

    private void settle(Connection to, long nowNs) {
        int count = settled.size() + released.size();
        boolean isDue =
                count >= SETTLED_AT_ONCE || (count > 0 && (nowNs - settleAtNs >= 0 || (isLeaving() && inHands == 0)));
        if (isSettling || !isDue || nowNs - notBeforeNs < 0) {
            return;
        }
        isSettling = true;
        int membership = memberships;
        int number = ++settleCount;
        TreeSet<Long> nowSettled = settled;
        TreeSet<Long> nowReleased = released;
        settled = new TreeSet<>();
        released = new TreeSet<>();
        Settle.Builder message = Settle.newBuilder().setMember(member);
        List<PositionRange> releasedRanges = ranges(nowReleased, released, RANGES_MAX);
        message.addAllReleased(releasedRanges);
        message.addAllSettled(ranges(nowSettled, settled, RANGES_MAX - releasedRanges.size()));
        settleAtNs = nowNs;
        to.request(FrameType.SETTLE, message.build(), FrameType.SETTLED, nowNs, new Requests.Answer() {
            @Override
            public void onAnswer(ByteBuf in, int at) {
                if (membership == memberships) {
                    isSettling = false;
                    onReleased(number);
                }
            }

            @Override
            public void onFailure(HermodException why) {
                if (membership == memberships) {
                    isSettling = false;
                    onNotSettled(why, number, nowSettled, nowReleased);
                }
            }
        });
    }

    /** @param rest takes what is beyond the limit, and is no longer in the first set. */
    private static List<PositionRange> ranges(TreeSet<Long> positions, TreeSet<Long> rest, int limit) {
        List<PositionRange> ranges = new ArrayList<>();
        PositionRange.Builder range = null;
        for (Long position : positions) {
            if (range != null && range.getTo() + 1 == position) {
                range.setTo(position);
                continue;
            }
            if (range != null) {
                ranges.add(range.build());
            }
            range = null;
            if (ranges.size() == limit) {
                rest.addAll(positions.tailSet(position));
                break;
            }
            range = PositionRange.newBuilder().setFrom(position).setTo(position);
        }
        if (range != null) {
            ranges.add(range.build());
        }
        positions.removeAll(rest);
        return ranges;
    }

    /** The broker has taken back what a SETTLE has released; what comes of those topics from now on is new. */
    private void onReleased(int number) {
        for (Lane lane : List.copyOf(lanes.values())) {
            if (lane.released != 0 && lane.releasedBy <= number) {
                lane.released = 0;
                forgetIfIdle(lane);
            }
        }
    }

    private void onNotSettled(HermodException why, int number, TreeSet<Long> nowSettled, TreeSet<Long> nowReleased) {
        settled.addAll(nowSettled);
        if (why.is(ErrorCode.BACK_PRESSURED) || why.is(ErrorCode.RATE_LIMITED)) {
            // It was not looked at.
            released.addAll(nowReleased);
            for (Lane lane : lanes.values()) {
                lane.releasedBy = Math.max(lane.releasedBy, settleCount + 1);
            }
        } else {
            onReleased(number);
        }
        if (!why.isRetryable()) {
            settled.clear();
        }
        onRefused(why);
    }
}
