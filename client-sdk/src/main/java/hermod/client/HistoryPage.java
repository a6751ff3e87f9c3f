package hermod.client;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * A page of what is stored of a topic, as it was when the broker read it. Immutable, any thread.
 *
 * <p>An application implements this only for its tests; methods may be added.
 */
public interface HistoryPage {
    /** Offsets, both included. */
    record Range(long from, long to) {}

    String topic();

    /** The topic's epoch; 0 where nothing was ever stored of it. */
    int epoch();

    /** In the order asked for: rising offsets, or falling ones. They may be fewer than asked for, even none, with more to come. */
    List<Event> events();

    /** Whether there may be more events in the direction asked for. */
    boolean hasMore();

    /**
     * Asks for the page behind this one in its direction, with the same limit and filter. Where {@link #hasMore} is false a page forwards has what was stored since.
     *
     * @return as {@link HistoryQuery#page}.
     */
    CompletableFuture<HistoryPage> next();

    /** Whether the query's epoch is not the topic's, so that its offset meant nothing: the page begins at the oldest event that is kept, backwards at the newest. */
    boolean isEpochChanged();

    /** The first offset that is kept. */
    long firstOffset();

    /** Above all that is stored; a hint, for the topic goes on. */
    long nextOffset();

    /** Where a page behind this one begins, forwards. */
    long forwardsFrom();

    /** The highest offset that a page before this one may have, backwards; 0 where there is none before it. */
    long backwardsFrom();

    /** What was asked for and is no longer kept; null for nothing. It may hold offsets that no event ever had. */
    @Nullable
    Range lost();

    /** Events of this range that are larger than the broker sends now. */
    int leftOut();
}
