package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;

/**
 * The ids of a topic's latest events and the offsets they got: so many at most, and none older than its channel's window.
 *
 * <p>A ring in the order they came, and a table with linear probing into it; both grow from almost nothing to the limit.
 */
@RunsOn(Owner.SHARD)
public final class EventIds {
    private static final int FIRST_CAPACITY = 16;

    private final int limitCount;
    private final long windowUs;
    private long[] highs = new long[FIRST_CAPACITY];
    private long[] lows = new long[FIRST_CAPACITY];

    /** 0 for one that was taken back. */
    private long[] offsets = new long[FIRST_CAPACITY];

    private long[] timesUs = new long[FIRST_CAPACITY];
    private int head;
    private int count;

    /** Ids that came up to here may be forgotten, though they are in the window. */
    private long forgottenUs = Long.MIN_VALUE;

    /** Index in the ring, and 1; 0 for free. Twice as long as the ring. */
    private int[] table = new int[2 * FIRST_CAPACITY];

    /**
     * @param limitCount at least {@value #FIRST_CAPACITY}; rounded up to a power of two.
     * @param windowUs how long an id is remembered.
     */
    public EventIds(int limitCount, long windowUs) {
        this.limitCount = capacity(limitCount);
        this.windowUs = windowUs;
    }

    /** Ids that are remembered under this limit: it is rounded up to a power of two. */
    public static int capacity(int limitCount) {
        return Integer.highestOneBit(Math.max(FIRST_CAPACITY, limitCount) * 2 - 1);
    }

    /** @return the offset the id got, or 0. */
    public long find(long high, long low, long nowUs) {
        forgetOld(nowUs);
        int slot = slotOf(high, low);
        return table[slot] == 0 ? 0 : offsets[table[slot] - 1];
    }

    /**
     * Remembers an id that {@link #find} does not know. Times do not fall.
     *
     * @return whether an older one was forgotten for it before its time.
     */
    public boolean add(long high, long low, long offset, long timeUs) {
        if (count == highs.length && count < limitCount) {
            grow();
        }
        boolean isFull = count == highs.length;
        if (isFull) {
            forgottenUs = Math.max(forgottenUs, timesUs[head]);
            forgetOldest();
        }
        int at = head + count++ & highs.length - 1;
        highs[at] = high;
        lows[at] = low;
        offsets[at] = offset;
        timesUs[at] = timeUs;
        table[slotOf(high, low)] = at + 1;
        return isFull && shortUs(timeUs) > 0;
    }

    /** Nothing is known of ids that came at that time or before. */
    public void forgotten(long upToUs) {
        forgottenUs = Math.max(forgottenUs, upToUs);
    }

    /** By how much the window is shorter now than it is to be, because there were too many ids; 0 for not at all. */
    public long shortUs(long nowUs) {
        return forgottenUs == Long.MIN_VALUE ? 0 : Math.max(0, windowUs - Math.max(0, nowUs - forgottenUs));
    }

    /** Takes an id back: its event was not stored. */
    public void takeBack(long high, long low) {
        int slot = slotOf(high, low);
        if (table[slot] != 0) {
            offsets[table[slot] - 1] = 0;
            free(slot);
        }
    }

    /** Ids remembered. */
    public int count() {
        return count;
    }

    /** When the oldest id that is remembered came; {@code nowUs} where there is none. */
    public long oldestUs(long nowUs) {
        return count == 0 ? nowUs : timesUs[head];
    }

    private void forgetOld(long nowUs) {
        while (count > 0 && nowUs - timesUs[head] > windowUs) {
            forgetOldest();
        }
    }

    private void forgetOldest() {
        if (offsets[head] != 0) {
            free(slotOf(highs[head], lows[head]));
        }
        head = head + 1 & highs.length - 1;
        count--;
    }

    private void grow() {
        int before = highs.length;
        highs = unroll(highs, before);
        lows = unroll(lows, before);
        offsets = unroll(offsets, before);
        timesUs = unroll(timesUs, before);
        head = 0;
        table = new int[2 * highs.length];
        for (int at = 0; at < count; at++) {
            if (offsets[at] != 0) {
                table[slotOf(highs[at], lows[at])] = at + 1;
            }
        }
    }

    private long[] unroll(long[] ring, int before) {
        long[] larger = new long[2 * before];
        System.arraycopy(ring, head, larger, 0, before - head);
        System.arraycopy(ring, 0, larger, before - head, head);
        return larger;
    }

    /** Where the id is, or where it would go. */
    private int slotOf(long high, long low) {
        int slot = home(high, low);
        while (table[slot] != 0 && (lows[table[slot] - 1] != low || highs[table[slot] - 1] != high)) {
            slot = slot + 1 & table.length - 1;
        }
        return slot;
    }

    private int home(long high, long low) {
        long mixed = (high * 0x9E37_79B9_7F4A_7C15L ^ low) * 0xC2B2_AE3D_27D4_EB4FL;
        return (int) (mixed >>> 32) & table.length - 1;
    }

    /** Moves what stands behind a freed slot up, as far as it would be found sooner there. */
    private void free(int freed) {
        table[freed] = 0;
        int hole = freed;
        int slot = freed + 1 & table.length - 1;
        while (table[slot] != 0) {
            int at = table[slot] - 1;
            int home = home(highs[at], lows[at]);
            if ((slot - home & table.length - 1) >= (slot - hole & table.length - 1)) {
                table[hole] = table[slot];
                table[slot] = 0;
                hole = slot;
            }
            slot = slot + 1 & table.length - 1;
        }
    }
}
