package hermod.broker.dispatch;

import hermod.broker.outbox.Feed;
import hermod.broker.topic.Topic;
import hermod.protocol.ErrorCode;
import hermod.protocol.frame.PublishedWriter;
import org.jspecify.annotations.Nullable;

/** A connection as dispatch sees it; {@code session} implements it. Called on the connection's shard only. */
public interface Party {
    /** Unique among the connections of this broker's life. */
    long key();

    /** The user id in UTF-8. */
    byte[] source();

    /** What {@link #producer} is for a client whose sequences mean nothing. */
    long NO_PRODUCER = 0;

    /** Who publishes, across connections: device and producer epoch, hashed with a secret; {@link #NO_PRODUCER} for a client that named no epoch. */
    long producer();

    /** The user, as a number that stays the same over restarts. */
    long author();

    /** The device across connections, hashed with a secret. */
    long device();

    boolean mayPublishUrgent();

    /** Where the outcomes of its events are collected; whoever adds to it calls {@link Dispatch#noteOutcomes}. */
    PublishedWriter outcomes();

    /** One of its events is on its way to another shard: it has no outcome yet. */
    void onUnderWay(int entryBytes);

    /** Events that were under way have their outcomes. */
    void onAnswered(int events, int entryBytes);

    /** Marks the party as one whose outcomes are to be written at the end of the turn; false if it was already. */
    boolean markOutcomes();

    /** Writes the collected outcomes into its outbox, and takes the mark away. */
    void writeOutcomes();

    /**
     * The answer to a hold it asked for.
     *
     * @param topic null where it was refused with {@code refusal}.
     * @param nextOffset every event from this offset on will be handed to it, if it holds the topic as a subscriber.
     * @param firstAvailable the first offset that can still be read; {@code nextOffset} when none can.
     */
    void onHeld(
            int correlation, @Nullable Topic topic, long nextOffset, long firstAvailable, @Nullable ErrorCode refusal);

    /** Its subscription to a topic; null when it has none. */
    @Nullable
    Feed feed(int handle);
}
