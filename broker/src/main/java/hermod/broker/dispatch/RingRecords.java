package hermod.broker.dispatch;

import io.netty.buffer.ByteBuf;

/**
 * What shards send each other through their rings. All little-endian; a record never leaves the process.
 *
 * <pre>
 *  HOLD     party's shard → home     0 party u64 | 8 correlation u32 | 12 shard u16 | 14 asSubscriber u8 | 15 zero | 16 orgBytes u16 | 18 nameBytes u16 | 20 org, name
 *  HELD     home → party's shard     0 party u64 | 8 correlation u32 | 12 handle u32 (0: refused) | 16 nextOffset u64 | 24 error u16 | 26 asSubscriber u8
 *  LET_GO   party's shard → home     0 handle u32 | 4 shard u16 | 6 asSubscriber u8
 *  EVENTS   publisher's shard → home 0 party u64 | 8 producer u64 | 16 device u64 | 24 arrivedNs u64 | 32 handle u32 | 36 shard u16 | 38 sourceBytes u16 | 40 source, then events:
 *           event                    0 requestId u32 | 4 entryBytes u32 | 8 sequence u64 | 16 timestampUs i64 | 24 ttl u32 | 28 priority u8 | 29 bits u8 | 30 zero u16 | 32 entry
 *  OUTCOMES home → publisher's shard 0 party u64 | 8 answered events u32 | 12 bytes of their entries u32 | 16 a PUBLISHED frame
 *  RUN      home → subscriber's shard 0 handle u32 | 4 home u16 | 6 exclusions u8 | 7 zero | 8 slot u32 | 12 from u32 | 16 to u32 | 20 count u32 | 24 expiresAtUs u64 | 32 arrivedNs u64 | 40 channel u16
 * </pre>
 */
final class RingRecords {
    static final int HOLD = 1;
    static final int HELD = 2;
    static final int LET_GO = 3;
    static final int EVENTS = 4;
    static final int OUTCOMES = 5;
    static final int RUN = 6;

    static final int HOLD_FIXED_BYTES = 20;
    static final int HELD_BYTES = 27;
    static final int LET_GO_BYTES = 7;
    static final int EVENTS_FIXED_BYTES = 40;
    static final int EVENT_FIXED_BYTES = 32;
    static final int OUTCOMES_FIXED_BYTES = 16;
    static final int RUN_BYTES = 42;

    static final int BIT_EXCLUDES_DEVICE = 1;
    static final int BIT_CLAMPED = 2;

    private RingRecords() {}

    static void writeLetGo(ByteBuf out, int handle, int shard, boolean asSubscriber) {
        out.clear().writeIntLE(handle).writeShortLE(shard).writeByte(asSubscriber ? 1 : 0);
    }

    static void writeHeld(
            ByteBuf out, long party, int correlation, int handle, long nextOffset, int error, boolean asSubscriber) {
        out.clear()
                .writeLongLE(party)
                .writeIntLE(correlation)
                .writeIntLE(handle)
                .writeLongLE(nextOffset)
                .writeShortLE(error)
                .writeByte(asSubscriber ? 1 : 0);
    }
}
