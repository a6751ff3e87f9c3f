package hermod.broker.shard;

import io.netty.buffer.ByteBuf;

/** What a shard does with its rings' records and at the end of its turns; {@code dispatch} implements it. Called on the shard's thread only. */
public interface RingHandler {
    /**
     * One record.
     *
     * @param in borrowed, valid until return: the ring's memory.
     * @param at index of the record's first byte.
     */
    void onRecord(int recordType, ByteBuf in, int at, int bytes);

    /** The rings are empty for now: emit what piled up (may offer new records to this shard's rings). */
    void onDrained();

    /** The rings are empty and nothing was emitted: write to sockets. */
    void onTurnEnd();

    /** The time asked for with {@link Shard#wakeAt}, or one before it, has come; outside of turns. */
    default void onTimer() {}

    /** Called about every {@link Shard#TICK_MS}, outside of turns. */
    void onTick();
}
