package hermod.client;

import hermod.client.internal.Session;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.control.wire.History;
import hermod.protocol.control.wire.History.Start;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Which page of a topic's past is wanted; without more, the newest 100 events backwards. Setters return this. One thread at a time.
 *
 * <pre>{@code
 * HistoryPage page = client.history("chat:room_7").limit(50).page().join();   // the newest 50
 * HistoryPage older = page.next().join();                                      // those before them
 * client.history("chat:room_7").fromOffset(4711).page();                       // 4711 and what followed
 * }</pre>
 */
public final class HistoryQuery {
    private static final long MICROS_PER_SECOND = TimeUnit.SECONDS.toMicros(1);

    private final Session session;
    private final History.Builder asked = History.newBuilder().setStart(Start.START_NEWEST);
    private @Nullable Boolean isBackwards;

    HistoryQuery(Session session, String topic) {
        this.session = session;
        asked.setTopic(topic);
    }

    /** Begins at an offset, the event that has it included; forwards unless {@link #backwards} is said. @param offset 0 or more. */
    public HistoryQuery fromOffset(long offset) {
        return fromOffset(0, offset);
    }

    /** The same for an offset that is remembered: where the topic's epoch is another one, the page says so and begins at what there is. @param epoch 0 for whatever the topic's is. */
    public HistoryQuery fromOffset(int epoch, long offset) {
        if (offset < 0) {
            throw new IllegalArgumentException("offset must be 0 or more: offset=" + offset);
        }
        asked.setStart(Start.START_OFFSET).setOffset(offset).setEpoch(epoch);
        return this;
    }

    /** Begins at a time, that at which the broker took the events: forwards with the first one taken at or after it, backwards with the last one taken before it. */
    public HistoryQuery fromTime(Instant time) {
        long us = Math.addExact(
                Math.multiplyExact(time.getEpochSecond(), MICROS_PER_SECOND),
                TimeUnit.NANOSECONDS.toMicros(time.getNano()));
        asked.setStart(Start.START_TIME).setTimeUs(us);
        return this;
    }

    /** Begins at the newest event, backwards; with {@link #forwards} behind it: for where the topic ends now. */
    public HistoryQuery fromNewest() {
        asked.setStart(Start.START_NEWEST);
        return this;
    }

    public HistoryQuery forwards() {
        isBackwards = false;
        return this;
    }

    public HistoryQuery backwards() {
        isBackwards = true;
        return this;
    }

    /** Events at most, 1 to 300; 100 by default. */
    public HistoryQuery limit(int events) {
        if (events < 1 || events > ProtocolLimits.HISTORY_PAGE_EVENTS) {
            throw new IllegalArgumentException(
                    "limit must be 1 to " + ProtocolLimits.HISTORY_PAGE_EVENTS + ": limit=" + events);
        }
        asked.setLimit(events);
        return this;
    }

    /** Only those that match. @param filter null for all. */
    public HistoryQuery filter(@Nullable Filter filter) {
        if (filter == null) {
            asked.clearFilter();
        } else {
            asked.setFilter(filter.message());
        }
        return this;
    }

    /**
     * Asks for the page. Without a connection it waits for one, and a lost one does not lose it; the topic need not be subscribed to, and asking changes nothing of a subscription.
     *
     * @return the page, or a {@link HermodException}: {@code UNSUPPORTED} where the broker has no history, {@code BAD_REQUEST} where the channel keeps none, {@code FORBIDDEN} without the right to subscribe, {@code NOT_ENABLED}, {@code UNKNOWN_CHANNEL},
     *     {@code BAD_FILTER}, {@code UNAVAILABLE} where what is stored can't be read; {@code BACK_PRESSURED} and {@code RATE_LIMITED} after some repetitions, or at once where 1,000 pages wait in this client.
     */
    public CompletableFuture<HistoryPage> page() {
        boolean isBackwardsByDefault = asked.getStart() == Start.START_NEWEST;
        return session.history(asked.clone()
                .setBackwards(isBackwards == null ? isBackwardsByDefault : isBackwards)
                .build());
    }
}
