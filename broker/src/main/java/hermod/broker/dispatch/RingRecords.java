package hermod.broker.dispatch;

import io.netty.buffer.ByteBuf;

/**
 * What shards send each other through their rings. All little-endian; a record never leaves the process.
 *
 * <pre>
 *  HOLD     party's shard → home     0 party u64 | 8 correlation u32 | 12 shard u16 | 14 asSubscriber u8 | 15 mayPublish u8 | 16 orgBytes u16 | 18 nameBytes u16 | 20 producer u64 | 28 author u64 | 36 org, name
 *  HELD     home → party's shard     0 party u64 | 8 correlation u32 | 12 handle u32 (0: refused) | 16 nextOffset u64 | 24 error u16 | 26 asSubscriber u8 | 27 zero | 28 firstAvailable u64
 *  LET_GO   party's shard → home     0 handle u32 | 4 shard u16 | 6 asSubscriber u8
 *  EVENTS   publisher's shard → home 0 party u64 | 8 producer u64 | 16 device u64 | 24 arrivedNs u64 | 32 handle u32 | 36 shard u16 | 38 sourceBytes u16 | 40 author u64 | 48 source, then events:
 *           event                    0 requestId u32 | 4 entryBytes u32 | 8 sequence u64 | 16 timestampUs i64 | 24 ttl u32 | 28 priority u8 | 29 bits u8 | 30 zero u16 | 32 entry
 *  OUTCOMES home → publisher's shard 0 party u64 | 8 answered events u32 | 12 bytes of their entries u32 | 16 a PUBLISHED frame
 *  RUN      home → subscriber's shard 0 handle u32 | 4 home u16 | 6 exclusions u8 | 7 priority u8 | 8 slot u32 | 12 from u32 | 16 to u32 | 20 count u32 | 24 expiresAtUs u64 | 32 arrivedNs u64 | 40 channel u16 | 42 zero | 48 firstOffset u64 | 56 compressed: slot u32 (−1: none) | 60 from u32 | 64 to u32
 *  LAGGED   home → subscriber's shard 0 handle u32 | 4 zero | 8 lastOffset u64 (missed up to here)
 *  READ     subscriber's shard → home 0 party u64 | 8 handle u32 | 12 shard u16 | 14 mayBeConflated u16 | 16 from u64 | 24 bytes u32 | 28 read u32
 *  PIECE    home → subscriber's shard as RUN up to 56, then 56 party u64 | 64 read u32 | 68 zero
 *  READ_BEGIN, READ_END, around the PIECEs 0 party u64 | 8 handle u32 | 12 read u32 | 16 offset u64 (BEGIN: the first one that is kept; END: behind the last one read) | 24 u8 (BEGIN: 1 where the store was read; END: 1 where that is the topic's next offset)
 * </pre>
 *
 * <p>All that goes from a topic's home to one shard about that topic takes the lane of its channel, so a READ_END at the tail stands exactly where the next RUN follows on.
 */
final class RingRecords {
    static final int HOLD = 1;
    static final int HELD = 2;
    static final int LET_GO = 3;
    static final int EVENTS = 4;
    static final int OUTCOMES = 5;
    static final int RUN = 6;
    static final int LAGGED = 7;
    static final int READ = 8;
    static final int PIECE = 9;
    static final int READ_BEGIN = 10;
    static final int READ_END = 11;

    static final int HOLD_FIXED_BYTES = 36;
    static final int HELD_BYTES = 36;
    static final int LET_GO_BYTES = 7;
    static final int EVENTS_FIXED_BYTES = 48;
    static final int EVENT_FIXED_BYTES = 32;
    static final int OUTCOMES_FIXED_BYTES = 16;
    static final int RUN_BYTES = 56;
    static final int LAGGED_BYTES = 16;

    /** Where a RUN tells of its compressed form. */
    static final int COMPRESSED_AT = 56;

    /** In place of a slot. */
    static final int NOT_COMPRESSED = -1;

    static final int BIT_EXCLUDES_DEVICE = 1;
    static final int BIT_CLAMPED = 2;

    private RingRecords() {}

    static void writeLetGo(ByteBuf out, int handle, int shard, boolean asSubscriber) {
        out.clear().writeIntLE(handle).writeShortLE(shard).writeByte(asSubscriber ? 1 : 0);
    }

    static void writeHeld(
            ByteBuf out,
            long party,
            int correlation,
            int handle,
            long nextOffset,
            int error,
            boolean asSubscriber,
            long firstAvailable) {
        out.clear()
                .writeLongLE(party)
                .writeIntLE(correlation)
                .writeIntLE(handle)
                .writeLongLE(nextOffset)
                .writeShortLE(error)
                .writeByte(asSubscriber ? 1 : 0)
                .writeByte(0)
                .writeLongLE(firstAvailable);
    }

    static void writeReadEdge(ByteBuf out, long party, int handle, int read, long offset, boolean isTail) {
        out.clear()
                .writeLongLE(party)
                .writeIntLE(handle)
                .writeIntLE(read)
                .writeLongLE(offset)
                .writeByte(isTail ? 1 : 0);
    }
}
