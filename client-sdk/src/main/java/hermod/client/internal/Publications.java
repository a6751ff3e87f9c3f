package hermod.client.internal;

import hermod.client.ConflictException;
import hermod.client.HermodException;
import hermod.client.PublishReceipt;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.TopicName;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Everything published and not answered, bounded in events and bytes.
 *
 * <pre>
 *   publish() ──▶ incoming ──▶ Topic.waiting ──▶ ready ──▶ ring ──▶ outcome
 *   any thread    one wake-up   until the topic   until the  until PUBLISHED; after a lost connection
 *                 for many      has a handle      window     back to Topic.waiting, in order
 *                                                 has room
 * </pre>
 *
 * <p>What is back-pressured goes to Topic.refused and is sent again, before anything later of its topic, as often as the settings say. It fails instead where the
 * broker has accepted a later one, because the order could no longer be kept.
 *
 * <p>{@link #publish} any thread, the rest on the loop.
 */
final class Publications {
    /** Size of one buffer handed to the socket, and with it of what can no longer be recalled. */
    private static final int CHUNK_BYTES = 64 * 1024;

    /** Bytes of one PUBLISH with several events: enough to make the head's share small. */
    private static final int RUN_BYTES = 32 * 1024;

    /** What the broker did not say itself: doubled with each refusal. */
    private static final long RETRY_MS_MIN = 20;

    /** Who is told to wait longer is better told at once. */
    private static final long RETRY_MS_MAX = 5_000;

    private final Settings settings;
    private final Completions completions;
    private final Runnable wakeUp;
    private final ServiceNews service;
    private final PublishedFrame outcomes = new PublishedFrame();

    private final Queue<Publication> incoming = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean isAwake = new AtomicBoolean();
    private final AtomicInteger pendingEvents = new AtomicInteger();
    private final AtomicLong pendingBytes = new AtomicLong();
    private volatile int payloadBytesMax = Integer.MAX_VALUE;
    private volatile @Nullable HermodException refusal;
    private volatile String lastGoodName = "";

    private final ArrayDeque<Publication> ready = new ArrayDeque<>();
    private long readyBytes;
    private final List<Publication> run = new ArrayList<>();
    private final Set<Topic> held = new LinkedHashSet<>();
    private final PublicationRing ring;
    private int windowEvents;
    private long windowBytes;
    private long progressNs;

    /** @param wakeUp called on the publishing thread; has the loop take what came in. */
    Publications(Settings settings, Completions completions, ServiceNews service, Runnable wakeUp) {
        this.service = service;
        this.settings = settings;
        this.completions = completions;
        this.wakeUp = wakeUp;
        windowEvents = settings.publishWindow();
        windowBytes = Long.MAX_VALUE;
        ring = new PublicationRing(settings.publishWindow(), 1);
    }

    CompletableFuture<PublishReceipt> publish(String topic, OutgoingEntry entry) {
        checkName(topic);
        HermodException refused = refusalOf(entry);
        if (refused == null) {
            refused = service.refusalOf(topic);
        }
        if (refused != null) {
            return CompletableFuture.failedFuture(refused);
        }
        byte[] eventId = entry.eventId() != null || entry.isWithoutEventId() ? entry.eventId() : EventIds.next();
        long timeUs = entry.intendedAtUs() > 0
                ? entry.intendedAtUs()
                : settings.wallClockUs().getAsLong();
        Publication publication = new Publication(topic, entry, eventId, timeUs);
        if (!reserve(publication.entryBytes())) {
            return CompletableFuture.failedFuture(new HermodException(
                    ErrorCode.BACK_PRESSURED,
                    "too much is published and not answered: events=" + pendingEvents + ", bytes=" + pendingBytes
                            + ", limitEvents=" + settings.pendingEventsMax() + ", limitBytes="
                            + settings.pendingBytesMax()));
        }
        incoming.add(publication);
        if (isAwake.compareAndSet(false, true)) {
            wakeLoop();
        }
        return publication.future;
    }

    private void checkName(String topic) {
        // Most publish to one topic many times; a race costs a second look and nothing else.
        if (topic.equals(lastGoodName)) {
            return;
        }
        String fault = TopicName.faultOf(topic);
        if (fault != null) {
            throw new IllegalArgumentException(fault);
        }
        lastGoodName = topic;
    }

    private @Nullable HermodException refusalOf(OutgoingEntry entry) {
        if (refusal != null) {
            return refusal;
        }
        return entry.payload().length > payloadBytesMax ? payloadTooLarge(entry) : null;
    }

    private HermodException payloadTooLarge(OutgoingEntry entry) {
        return new HermodException(
                ErrorCode.PAYLOAD_TOO_LARGE,
                "payload is larger than the broker takes: bytes=" + entry.payload().length + ", limit="
                        + payloadBytesMax);
    }

    private boolean reserve(int bytes) {
        if (pendingEvents.incrementAndGet() > settings.pendingEventsMax()) {
            pendingEvents.decrementAndGet();
            return false;
        }
        if (pendingBytes.addAndGet(bytes) > settings.pendingBytesMax()) {
            pendingBytes.addAndGet(-bytes);
            pendingEvents.decrementAndGet();
            return false;
        }
        return true;
    }

    private void wakeLoop() {
        try {
            wakeUp.run();
        } catch (RejectedExecutionException stopped) {
            HermodException why = new HermodException(HermodException.CLIENT_CLOSED, "the client's runtime is closed");
            refuseFromNowOn(why);
            for (Publication next = incoming.poll(); next != null; next = incoming.poll()) {
                next.future.completeExceptionally(why);
            }
        }
    }

    /** The next publication that came in; null for none, and then the next publish() wakes the loop again. */
    @Nullable
    Publication pollIncoming() {
        Publication next = incoming.poll();
        if (next == null && isAwake.get()) {
            isAwake.set(false);
            // One may have come between the look and the flag, and its thread saw the loop still awake.
            next = incoming.poll();
        }
        return next;
    }

    void onConnected(Connection connection, long nowNs) {
        var limits = connection.limits();
        payloadBytesMax = limits.payloadBytes();
        windowEvents = limits.publishWindowEvents() == 0
                ? settings.publishWindow()
                : Math.min(settings.publishWindow(), limits.publishWindowEvents());
        windowBytes = limits.publishWindowBytes() == 0 ? Long.MAX_VALUE : limits.publishWindowBytes();
        progressNs = nowNs;
    }

    /** The topic has a handle, and all published to it earlier is ready or further on. */
    void ready(Publication publication) {
        ready.addLast(publication);
        readyBytes += entryBytes(publication);
    }

    /** Takes back what of a topic is ready, in order: its handle is being given up. */
    List<Publication> recall(Topic topic) {
        List<Publication> recalled = new ArrayList<>();
        ready.removeIf(next -> next.topic == topic && recalled.add(next));
        recalled.forEach(next -> readyBytes -= entryBytes(next));
        return recalled;
    }

    /** Takes back what was sent and not answered, what was refused for a while and what was ready, in each topic's order: the connection is gone. */
    List<Publication> recallAll() {
        List<Publication> recalled = ring.takeAll();
        for (Publication sent : recalled) {
            Topic topic = topicOf(sent);
            topic.inFlight--;
            // What was sent behind a refused one may have been accepted.
            failRefusedBefore(topic, sent.sequence);
        }
        recalled.addAll(ready);
        if (!held.isEmpty()) {
            held.forEach(topic -> recalled.addAll(topic.refused));
            held.forEach(topic -> topic.refused.clear());
            held.clear();
            recalled.sort(Comparator.comparingLong(each -> each.sequence));
        }
        ready.clear();
        readyBytes = 0;
        return recalled;
    }

    /** Sends what is ready as far as the window and the socket take it, and flushes once. */
    void send(Connection connection, long clockOffsetUs, long nowNs) {
        ByteBuf out = null;
        if (ring.count() == 0) {
            progressNs = nowNs;
        }
        while (!ready.isEmpty() && hasWindow() && connection.isWritable()) {
            gatherRun(connection);
            if (run.isEmpty()) {
                continue;
            }
            if (out == null) {
                out = connection.buffer(chunkBytes());
            }
            Topic topic = topicOf(run.get(0));
            PublishEncoder.write(out, run, topic.handle, ring.nextId(), clockOffsetUs);
            topic.inFlight += run.size();
            int headBytes = PublishEncoder.HEAD_BYTES;
            for (Publication sent : run) {
                sent.epoch = topic.epoch;
                sent.sentBytes = entryBytes(sent) + headBytes;
                headBytes = 0;
                ring.add(sent);
            }
            if (out.readableBytes() >= CHUNK_BYTES) {
                connection.write(out);
                out = null;
            }
        }
        if (out != null) {
            connection.write(out);
        }
        connection.flush();
    }

    private boolean hasWindow() {
        // One event always fits an empty window, or a broker with a small one would never get it.
        return ring.count() == 0
                || (ring.count() < windowEvents
                        && ring.room() > 0
                        && ring.bytes() + PublishEncoder.HEAD_BYTES + entryBytes(ready.getFirst()) <= windowBytes);
    }

    /** Moves to {@code run} what of the ready ones fits in one frame; nothing where the next one is too large for the broker. */
    private void gatherRun(Connection connection) {
        run.clear();
        Publication first = takeReady();
        if (first.entry.payload().length > payloadBytesMax) {
            fail(first, payloadTooLarge(first.entry));
            return;
        }
        run.add(first);
        int runMax = Math.min(windowEvents - ring.count(), ring.room());
        int bytesMax = Math.min(RUN_BYTES, connection.limits().frameBytes() - PublishEncoder.HEAD_BYTES);
        long bytes = entryBytes(first);
        for (Publication next = ready.peekFirst();
                next != null && run.size() < runMax && follows(next, run.get(run.size() - 1));
                next = ready.peekFirst()) {
            bytes += entryBytes(next);
            if (bytes > bytesMax || ring.bytes() + PublishEncoder.HEAD_BYTES + bytes > windowBytes) {
                return;
            }
            run.add(takeReady());
        }
    }

    private Publication takeReady() {
        Publication next = ready.removeFirst();
        readyBytes -= entryBytes(next);
        return next;
    }

    /** Enough for the run in hand and what may follow in the same chunk. */
    private int chunkBytes() {
        long bytes = readyBytes + (long) PublishEncoder.HEAD_BYTES * (ready.size() + 1);
        for (Publication next : run) {
            bytes += entryBytes(next);
        }
        return (int) Math.min(bytes, CHUNK_BYTES + RUN_BYTES);
    }

    private static int entryBytes(Publication publication) {
        return PublishEncoder.ENTRY_LENGTH_BYTES + publication.entryBytes();
    }

    private static boolean follows(Publication next, Publication last) {
        return next.topic == last.topic
                && next.sequence == last.sequence + 1
                && next.entry.flags() == last.entry.flags();
    }

    /**
     * @param in borrowed, with a PUBLISHED frame at {@code at}.
     * @throws ProtocolException BAD_FRAME if it does not add up.
     */
    void onPublished(ByteBuf in, int at, long nowNs) throws ProtocolException {
        progressNs = nowNs;
        outcomes.wrap(in, at);
        for (int i = 0; i < outcomes.exceptionCount(); i++) {
            if (outcomes.exceptionKind(i) == PublishedFrame.KIND_CLAMPED) {
                Publication clamped = ring.find(outcomes.exceptionRequestId(i));
                if (clamped != null) {
                    clamped.clampedTo = outcomes.exceptionPriority(i);
                }
            }
        }
        for (int i = 0; i < outcomes.rangeCount(); i++) {
            onAccepted(outcomes.rangeFirstRequestId(i), outcomes.rangeLength(i), outcomes.rangeFirstOffset(i));
        }
        for (int i = 0; i < outcomes.exceptionCount(); i++) {
            onException(i, nowNs);
        }
    }

    private @Nullable Publication take(int id) {
        Publication taken = ring.take(id);
        if (taken != null) {
            topicOf(taken).inFlight--;
        }
        return taken;
    }

    private void onAccepted(int firstId, int count, long firstOffset) throws ProtocolException {
        if (count < 0 || count > settings.publishWindow()) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "more accepted than was published: count=" + count);
        }
        for (int i = 0; i < count; i++) {
            Publication accepted = take(firstId + i);
            if (accepted != null) {
                onOrdered(accepted);
                succeed(accepted, firstOffset + i, false);
            }
        }
    }

    private void onException(int index, long nowNs) {
        int kind = outcomes.exceptionKind(index);
        if (kind == PublishedFrame.KIND_CLAMPED) {
            return;
        }
        Publication found = take(outcomes.exceptionRequestId(index));
        if (found == null) {
            return;
        }
        if (kind == PublishedFrame.KIND_DUPLICATE) {
            onOrdered(found);
            succeed(found, outcomes.exceptionOffset(index), true);
        } else {
            int code = outcomes.exceptionCode(index);
            String sentence = "the broker refused an event of " + found.topicName;
            HermodException why = code == ErrorCode.CONFLICT.code()
                    ? new ConflictException(sentence, outcomes.exceptionOffset(index))
                    : new HermodException(code, sentence, outcomes.exceptionRetryAfterMs(index), null);
            onRefused(found, why, nowNs);
        }
    }

    private void onRefused(Publication refused, HermodException why, long nowNs) {
        long ownMs = RETRY_MS_MIN << Math.min(refused.refusalCount, Integer.SIZE / 2);
        long waitMs = why.retryAfter().isZero()
                ? Math.min(ownMs, RETRY_MS_MAX)
                : why.retryAfter().toMillis();
        Topic topic = topicOf(refused);
        if (!why.is(ErrorCode.BACK_PRESSURED)
                || refused.refusalCount >= settings.publishRetries()
                || waitMs > RETRY_MS_MAX
                || topic.acceptedSequence > refused.sequence) {
            fail(refused, why);
            return;
        }
        refused.refusal = why;
        refused.refusalCount++;
        if (held.add(topic)) {
            List<Publication> recalled = recall(topic);
            for (int i = recalled.size() - 1; i >= 0; i--) {
                topic.waiting.addFirst(recalled.get(i));
            }
            topic.retryAtNs = nowNs;
        }
        topic.refused.add(refused);
        topic.retryAtNs = Math.max(topic.retryAtNs, nowNs + TimeUnit.MILLISECONDS.toNanos(waitMs));
    }

    /** Accepted now or earlier: nothing before it can be sent any more without breaking the order. */
    private void onOrdered(Publication accepted) {
        Topic topic = topicOf(accepted);
        topic.acceptedSequence = Math.max(topic.acceptedSequence, accepted.sequence);
        failRefusedBefore(topic, accepted.sequence);
    }

    private void failRefusedBefore(Topic topic, long sequence) {
        if (topic.refused.isEmpty()) {
            return;
        }
        topic.refused.removeIf(refused -> {
            boolean isOvertaken = refused.sequence < sequence;
            if (isOvertaken) {
                fail(refused, Objects.requireNonNull(refused.refusal));
            }
            return isOvertaken;
        });
    }

    /** Whether something waits to be sent again. */
    boolean isRetrying() {
        return !held.isEmpty();
    }

    /** The topics whose refused publications, now in front of those that wait, may be sent again. */
    List<Topic> takeDue(long nowNs) {
        List<Topic> due = new ArrayList<>();
        held.removeIf(topic -> isDue(topic, nowNs) && due.add(topic));
        for (Topic topic : due) {
            topic.refused.sort(Comparator.comparingLong(refused -> -refused.sequence));
            topic.refused.forEach(topic.waiting::addFirst);
            topic.refused.clear();
        }
        return due;
    }

    private static boolean isDue(Topic topic, long nowNs) {
        // With later ones in the air it is not known yet whether the order can be kept.
        return topic.refused.isEmpty() || (topic.inFlight == 0 && nowNs - topic.retryAtNs >= 0);
    }

    /** Nanoseconds until a topic is due; {@code Long.MAX_VALUE} where all of them wait for outcomes. */
    long nextDueNs(long nowNs) {
        long next = Long.MAX_VALUE;
        for (Topic topic : held) {
            if (topic.inFlight == 0) {
                next = Math.min(next, Math.max(0, topic.retryAtNs - nowNs));
            }
        }
        return next;
    }

    /** Whether nothing of the topic may be sent before what was refused. */
    boolean isHeld(Topic topic) {
        return held.contains(topic);
    }

    /** Fails what was refused and was to be sent again. */
    void failRefused(Topic topic, HermodException why) {
        topic.refused.forEach(refused -> fail(refused, why));
        topic.refused.clear();
        held.remove(topic);
    }

    /** An ERROR frame that answers a publish. */
    void onError(int requestId, HermodException why) {
        Publication refused = take(requestId);
        if (refused != null) {
            fail(refused, why);
        }
    }

    /** Whether publishes are in the air and the broker has answered none for the request timeout. */
    boolean isStalled(long nowNs) {
        return ring.count() > 0 && nowNs - progressNs >= settings.requestTimeoutNs();
    }

    /** The socket is not read on purpose, so no answer can come. */
    void onReadingPaused(long nowNs) {
        progressNs = nowNs;
    }

    /** Nothing is taken any more. */
    void refuseFromNowOn(HermodException why) {
        refusal = why;
    }

    boolean isEmpty() {
        return pendingEvents.get() == 0;
    }

    int pendingEvents() {
        return pendingEvents.get();
    }

    long pendingBytes() {
        return pendingBytes.get();
    }

    void fail(Publication publication, HermodException why) {
        settle(publication);
        completions.fail(publication.future, why);
    }

    private void succeed(Publication publication, long offset, boolean isDuplicate) {
        settle(publication);
        completions.add(() -> publication.future.complete(new PublishReceipt(
                publication.topicName,
                publication.epoch,
                offset,
                isDuplicate,
                publication.clampedTo,
                publication.eventId == null ? null : EventIds.text(publication.eventId))));
    }

    private void settle(Publication publication) {
        pendingEvents.decrementAndGet();
        pendingBytes.addAndGet(-publication.entryBytes());
        if (publication.topic != null) {
            publication.topic.unanswered--;
        }
    }

    private static Topic topicOf(Publication publication) {
        return Objects.requireNonNull(publication.topic, "a ready publication has its topic");
    }
}
