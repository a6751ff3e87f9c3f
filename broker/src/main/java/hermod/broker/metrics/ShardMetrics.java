package hermod.broker.metrics;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.HdrHistogram.WriterReaderPhaser;
import org.jspecify.annotations.Nullable;

/**
 * What one shard counts. Written by the shard's thread only, read by any: a reader sees each number as it was a moment ago.
 *
 * <p>Histograms are made when a channel is first used, so a broker pays for the channels it has traffic on: about 21 KiB for each stage at two digits, and again while they are read. Beyond the configured number, channels share
 * one set.
 */
public final class ShardMetrics {
    /** Histograms hold 1 µs to 60 s in two significant digits; what is beyond is counted at the bound. */
    static final long HIGHEST_US = 60_000_000;

    /** How long a reader sleeps between its looks at whether the shard's batch has ended. */
    private static final long READER_YIELD_NS = 20_000;

    private static final int STAGES = Stage.values().length;
    private static final int CHANNEL_COUNTERS = ChannelCounter.values().length;
    private static final int CHANNEL_GAUGES = ChannelGauge.values().length;

    private final AtomicLongArray counters = new AtomicLongArray(Counter.values().length);
    private final AtomicLongArray channelCounters;
    private final AtomicLongArray channelGauges;
    private final AtomicReferenceArray<LatencyRecorder> recorders;

    /** Where the shared set starts, behind those of the channels. */
    private final int shared;

    private final int digits;
    private final int histogramLimitCount;
    private final WriterReaderPhaser phaser = new WriterReaderPhaser();
    private int histogramCount;
    private int batchDepth;
    private long batchPhase;

    /** @param histogramLimitCount histograms of this shard beside the shared set. */
    public ShardMetrics(int channelCount, int digits, int histogramLimitCount) {
        this.digits = digits;
        this.histogramLimitCount = histogramLimitCount;
        shared = channelCount * STAGES;
        channelCounters = new AtomicLongArray(channelCount * CHANNEL_COUNTERS);
        channelGauges = new AtomicLongArray(channelCount * CHANNEL_GAUGES);
        recorders = new AtomicReferenceArray<>((channelCount + 1) * STAGES);
    }

    public void add(Counter counter, long count) {
        add(counters, counter.ordinal(), count);
    }

    public void add(int channel, ChannelCounter counter, long count) {
        add(channelCounters, channel * CHANNEL_COUNTERS + counter.ordinal(), count);
    }

    public void set(int channel, ChannelGauge gauge, long value) {
        channelGauges.lazySet(channel * CHANNEL_GAUGES + gauge.ordinal(), value);
    }

    /** One writer, so a plain read and an ordered write do; a locked add would cost more than the event's own work. */
    private static void add(AtomicLongArray array, int at, long count) {
        array.lazySet(at, array.getPlain(at) + count);
    }

    /** Events not delivered because they had expired. */
    public void expired(int channel, int count) {
        add(channel, ChannelCounter.EXPIRED, count);
    }

    /** Events written to a subscriber's socket, with the time since they were queued. */
    public void delivered(int channel, int count, long waitedNs) {
        add(channel, ChannelCounter.DELIVERED, count);
        record(channel, Stage.BROKER_TO_SOCKET, waitedNs / 1_000, count);
    }

    /** Begins a batch: until {@link #endBatch} what is recorded costs no locked instruction. A reader waits for the end, so a batch is short, such as the frames of one read, and its end is in a {@code finally}. May be nested. */
    public void beginBatch() {
        if (batchDepth++ == 0) {
            batchPhase = phaser.writerCriticalSectionEnter();
        }
    }

    public void endBatch() {
        if (--batchDepth == 0) {
            phaser.writerCriticalSectionExit(batchPhase);
        }
    }

    /** Records a latency {@code count} times. */
    public void record(int channel, Stage stage, long us, long count) {
        int at = channel * STAGES + stage.ordinal();
        LatencyRecorder recorder = recorders.getPlain(at);
        if (recorder == null) {
            recorder = make(at, stage);
        }
        long value = Math.max(0, Math.min(HIGHEST_US, us));
        if (batchDepth > 0) {
            recorder.record(value, count);
        } else {
            beginBatch();
            try {
                recorder.record(value, count);
            } finally {
                endBatch();
            }
        }
    }

    /** Collects what all recorders have recorded; one reader at a time. */
    void collect() {
        phaser.readerLock();
        try {
            Set<LatencyRecorder> all = Collections.newSetFromMap(new IdentityHashMap<>());
            for (int i = 0; i < recorders.length(); i++) {
                LatencyRecorder recorder = recorders.get(i);
                if (recorder != null && all.add(recorder)) {
                    recorder.swap();
                }
            }
            phaser.flipPhase(READER_YIELD_NS);
            all.forEach(LatencyRecorder::collect);
        } finally {
            phaser.readerUnlock();
        }
    }

    private LatencyRecorder make(int at, Stage stage) {
        if (histogramCount >= histogramLimitCount) {
            LatencyRecorder common = recorders.getPlain(shared + stage.ordinal());
            if (common == null) {
                common = new LatencyRecorder(digits);
                recorders.set(shared + stage.ordinal(), common);
            }
            recorders.set(at, common);
            return common;
        }
        histogramCount++;
        LatencyRecorder own = new LatencyRecorder(digits);
        recorders.set(at, own);
        return own;
    }

    /** Any thread. */
    long get(Counter counter) {
        return counters.get(counter.ordinal());
    }

    /** Any thread. */
    long get(int channel, ChannelCounter counter) {
        return channelCounters.get(channel * CHANNEL_COUNTERS + counter.ordinal());
    }

    /** Any thread. */
    long get(int channel, ChannelGauge gauge) {
        return channelGauges.get(channel * CHANNEL_GAUGES + gauge.ordinal());
    }

    /** Any thread. */
    @Nullable
    LatencyRecorder recorder(int channel, Stage stage) {
        return recorders.get(channel * STAGES + stage.ordinal());
    }
}
