package hermod.broker.group;

import org.jspecify.annotations.Nullable;

/** One event of a channel that its group has not settled. Of one {@link Ledger}. */
final class Place {
    final long position;
    final Lane lane;
    final int epoch;

    /** In a FETCHED. */
    final int bytes;

    final long storedAtUs;
    final long expiresAtUs;

    /** How often it was handed out. */
    int attempt;

    /** When it may be handed out again; 0 for at once. */
    long notBeforeNs;

    /** By when its holder must have settled it. */
    long deadlineNs;

    /** In whose hands it is. */
    @Nullable
    Hands holder;

    /** As it is stored; null where it must be read again. */
    byte @Nullable [] entry;

    Place(long position, Lane lane, int epoch, int bytes, long storedAtUs, long expiresAtUs) {
        this.position = position;
        this.lane = lane;
        this.epoch = epoch;
        this.bytes = bytes;
        this.storedAtUs = storedAtUs;
        this.expiresAtUs = expiresAtUs;
    }
}
