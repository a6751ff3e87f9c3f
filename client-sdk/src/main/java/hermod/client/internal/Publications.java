package hermod.client.internal;

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
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.RejectedExecutionException;
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
 * <p>{@link #publish} any thread, the rest on the loop.
 */
final class Publications {
    /** Size of one buffer handed to the socket, and with it of what can no longer be recalled. */
    private static final int CHUNK_BYTES = 64 * 1024;

    /** Bytes of one PUBLISH with several events: enough to make the head's share small. */
    private static final int RUN_BYTES = 32 * 1024;

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

    /** Takes back what was sent and not answered, and what was ready, in order: the connection is gone. */
    List<Publication> recallAll() {
        List<Publication> recalled = ring.takeAll();
        recalled.addAll(ready);
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
            for (Publication sent : run) {
                sent.epoch = topic.epoch;
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
        return ring.count() == 0 || (ring.count() < windowEvents && ring.room() > 0 && ring.bytes() < windowBytes);
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
            if (bytes > bytesMax || ring.bytes() + bytes > windowBytes) {
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
            onException(i);
        }
    }

    private void onAccepted(int firstId, int count, long firstOffset) throws ProtocolException {
        if (count < 0 || count > settings.publishWindow()) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "more accepted than was published: count=" + count);
        }
        for (int i = 0; i < count; i++) {
            Publication accepted = ring.take(firstId + i);
            if (accepted != null) {
                succeed(accepted, firstOffset + i, false);
            }
        }
    }

    private void onException(int index) {
        int kind = outcomes.exceptionKind(index);
        if (kind == PublishedFrame.KIND_CLAMPED) {
            return;
        }
        Publication found = ring.take(outcomes.exceptionRequestId(index));
        if (found == null) {
            return;
        }
        if (kind == PublishedFrame.KIND_DUPLICATE) {
            succeed(found, outcomes.exceptionOffset(index), true);
        } else {
            int code = outcomes.exceptionCode(index);
            fail(
                    found,
                    new HermodException(
                            code,
                            "the broker refused an event of " + found.topicName,
                            outcomes.exceptionRetryAfterMs(index),
                            null));
        }
    }

    /** An ERROR frame that answers a publish. */
    void onError(int requestId, HermodException why) {
        Publication refused = ring.take(requestId);
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
