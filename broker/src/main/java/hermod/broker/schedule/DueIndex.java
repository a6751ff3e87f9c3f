package hermod.broker.schedule;

import hermod.broker.engine.EngineFault;
import hermod.broker.engine.KeyedState;
import hermod.broker.shard.ShardClock;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The index by time of what is scheduled: how much there is, in space {@link #DUE} and in memory the next times only, up to {@link #horizon}; what is behind is read when there is room.
 *
 * <p>The scheduler's thread's. At {@code schedule.limit-count} and {@code -bytes} nothing more is taken, beyond {@code schedule.ahead-limit-count} the latest time is left to the store.
 */
final class DueIndex {
    static final String DUE = "schedule-due";

    private static final Logger LOG = LoggerFactory.getLogger(DueIndex.class);
    private static final int PAGE_COUNT = 1_000;
    private static final long LOOK_NS = TimeUnit.SECONDS.toNanos(1);

    private final ScheduleConfig config;
    private final KeyedState state;
    private final Tasks tasks;
    private final Predicate<DueKey> isBeingSent;
    private final TreeSet<DueKey> ahead = new TreeSet<>();

    /** From this key on the index is not in memory; null where all of it is. */
    private byte @Nullable [] horizon = new byte[0];

    private boolean isScanning;

    /** Came while a page was being read, which may or may not have them. */
    private final List<DueKey> addedMeanwhile = new ArrayList<>();

    /** Where the count of all that is stored goes on; null once it is known. */
    private byte @Nullable [] countFrom = new byte[0];

    private final List<Runnable> untilCounted = new ArrayList<>();
    private final Map<String, Integer> countByOwner = new HashMap<>();
    private long count;
    private long bytes;
    private long askAgainAtNs;

    /** @param isBeingSent whether an event's time has come, so that it is not kept here any more. */
    DueIndex(ScheduleConfig config, KeyedState state, Tasks tasks, Predicate<DueKey> isBeingSent) {
        this.config = config;
        this.state = state;
        this.tasks = tasks;
        this.isBeingSent = isBeingSent;
    }

    /** Whether all that is stored has been counted. */
    boolean isCounted() {
        return countFrom == null;
    }

    /** Runs something now, or when all that is stored has been counted. */
    void whenCounted(Runnable work) {
        if (countFrom == null) {
            work.run();
        } else {
            untilCounted.add(work);
        }
    }

    /** The next time in memory; null where there is none. */
    @Nullable
    DueKey first() {
        return ahead.isEmpty() ? null : ahead.first();
    }

    void removeFirst() {
        ahead.pollFirst();
    }

    /** Begins to read from the front again. @return false while a page is being read: to be tried again. */
    boolean rescan() {
        if (isScanning) {
            return false;
        }
        ahead.clear();
        horizon = new byte[0];
        return true;
    }

    void countStored(long nowNs) {
        byte[] from = countFrom;
        if (isScanning || from == null || nowNs - askAgainAtNs < 0) {
            return;
        }
        isScanning = true;
        state.scan(
                DUE,
                from,
                null,
                PAGE_COUNT,
                tasks.back(
                        page -> {
                            isScanning = false;
                            for (KeyedState.Value value : page) {
                                tally(new DueKey(value.key()), 1, bytesOf(value));
                            }
                            countFrom = page.size() < PAGE_COUNT ? null : behind(page);
                            if (countFrom == null) {
                                LOG.info("scheduled events: count={}, bytes={}", count, bytes);
                                untilCounted.forEach(Runnable::run);
                                untilCounted.clear();
                            }
                        },
                        this::onScanFault));
        askAgainAtNs = nowNs;
    }

    private void onScanFault(EngineFault fault) {
        isScanning = false;
        // They are behind the horizon, and stored.
        addedMeanwhile.clear();
        askAgainAtNs = ShardClock.monotonicNs() + LOOK_NS;
        LOG.warn("the times of scheduled events can't be read now: {}", fault.sentence());
    }

    private static byte[] behind(List<KeyedState.Value> page) {
        byte[] last = page.get(page.size() - 1).key();
        return Arrays.copyOf(last, last.length + 1);
    }

    private static int bytesOf(KeyedState.Value value) {
        return ByteBuffer.wrap(value.bytes()).getInt();
    }

    private void tally(DueKey key, int more, long moreBytes) {
        count += more;
        bytes += more * moreBytes;
        int ofOwner = countByOwner.getOrDefault(key.owner(), 0) + more;
        if (ofOwner == 0) {
            countByOwner.remove(key.owner());
        } else {
            countByOwner.put(key.owner(), ofOwner);
        }
    }

    /** Reads more where there is room. */
    void fill(long nowNs) {
        if (horizon != null && ahead.size() < config.aheadLimitCount() / 2 + 1) {
            readAhead(nowNs);
        }
    }

    private void readAhead(long nowNs) {
        byte[] from = horizon;
        if (isScanning || from == null || nowNs - askAgainAtNs < 0) {
            return;
        }
        isScanning = true;
        int countMax = Math.min(PAGE_COUNT, config.aheadLimitCount() - ahead.size());
        state.scan(
                DUE,
                from,
                null,
                countMax,
                tasks.back(
                        page -> {
                            isScanning = false;
                            if (horizon != from) {
                                // Lowered meanwhile, for want of room: the page lies behind a hole.
                                addedMeanwhile.clear();
                                return;
                            }
                            for (KeyedState.Value value : page) {
                                keep(new DueKey(value.key()));
                            }
                            horizon = page.size() < countMax ? null : behind(page);
                            addedMeanwhile.forEach(this::remember);
                            addedMeanwhile.clear();
                        },
                        this::onScanFault));
    }

    private void keep(DueKey key) {
        if (!isBeingSent.test(key)) {
            ahead.add(key);
        }
    }

    /** A key was added to the index. */
    void remember(DueKey key) {
        if (isScanning) {
            addedMeanwhile.add(key);
        }
        byte[] limit = horizon;
        if (limit != null && Arrays.compareUnsigned(key.bytes(), limit) >= 0) {
            return;
        }
        keep(key);
        if (ahead.size() > config.aheadLimitCount()) {
            horizon = ahead.pollLast().bytes();
        }
    }

    void putInIndex(DueKey key, int eventBytes, Runnable onStored, Consumer<EngineFault> onFault) {
        byte[] value = ByteBuffer.allocate(Integer.BYTES).putInt(0, eventBytes).array();
        // Before it is stored: others must not take the same last place meanwhile.
        tally(key, 1, eventBytes);
        state.put(
                DUE,
                key.bytes(),
                KeyedState.NO_VERSION,
                value,
                KeyedState.NEVER_EXPIRES,
                tasks.back(
                        outcome -> {
                            if (!outcome.isStored()) {
                                // There since an attempt that was cut off.
                                tally(key, -1, eventBytes);
                            }
                            onStored.run();
                        },
                        fault -> {
                            tally(key, -1, eventBytes);
                            onFault.accept(fault);
                        }));
    }

    /** Removes an index entry; where that fails it stays, stale, until its time comes or the broker starts. */
    void removeFromIndex(DueKey key, Runnable onEnd) {
        ahead.remove(key);
        state.get(
                DUE,
                key.bytes(),
                tasks.back(
                        value -> {
                            if (value == null) {
                                onEnd.run();
                                return;
                            }
                            state.put(
                                    DUE,
                                    key.bytes(),
                                    value.version(),
                                    null,
                                    KeyedState.NEVER_EXPIRES,
                                    tasks.back(
                                            outcome -> {
                                                if (outcome.isStored()) {
                                                    tally(key, -1, bytesOf(value));
                                                }
                                                onEnd.run();
                                            },
                                            fault -> onEnd.run()));
                        },
                        fault -> onEnd.run()));
    }

    /** Why no more is taken, in a sentence; null where there is room. */
    @Nullable
    String fullSentence(DueKey key, int moreBytes) {
        if (countByOwner.getOrDefault(key.owner(), 0) >= config.perUserLimitCount()) {
            return "the user has as many scheduled events as they may: limit=" + config.perUserLimitCount()
                    + " (schedule.per-user-limit-count)";
        }
        if (count >= config.limitCount()) {
            return "the broker has as many scheduled events as it may: limit=" + config.limitCount()
                    + " (schedule.limit-count)";
        }
        return bytes + moreBytes > config.limitBytes()
                ? "the broker's scheduled events have as many bytes as they may: limit=" + config.limitBytes()
                        + " (schedule.limit-bytes)"
                : null;
    }
}
