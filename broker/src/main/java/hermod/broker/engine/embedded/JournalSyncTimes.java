package hermod.broker.engine.embedded;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;

/** How long the last 4,096 syncs took. Written by the journal's thread, read by any. */
final class JournalSyncTimes {
    private static final int KEPT = 4096;

    private final AtomicLongArray lastUs = new AtomicLongArray(KEPT);
    private final AtomicLong count = new AtomicLong();

    void add(long us) {
        long at = count.getPlain();
        lastUs.lazySet((int) (at % KEPT), us);
        count.lazySet(at + 1);
    }

    long count() {
        return count.get();
    }

    /** Sorted; a reader's own. */
    long[] sortedUs() {
        long[] sorted = new long[(int) Math.min(KEPT, count.get())];
        for (int i = 0; i < sorted.length; i++) {
            sorted[i] = lastUs.get(i);
        }
        Arrays.sort(sorted);
        return sorted;
    }

    /** @param sorted of {@link #sortedUs}. @return 0 where there are none. */
    static long percentile(long[] sorted, int percent) {
        return sorted.length == 0
                ? 0
                : sorted[(int) Math.min(sorted.length - 1L, (long) sorted.length * percent / 100)];
    }
}
