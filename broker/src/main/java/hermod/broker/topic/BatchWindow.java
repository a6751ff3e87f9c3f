package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import java.util.ArrayList;
import java.util.concurrent.TimeUnit;

/**
 * The window of one organization and channel on one shard.
 *
 * <pre>
 *   quiet   — event →                goes at once, and the window opens for as long as it is wide now
 *   open    — event →                its topic waits
 *   open    — end, something waited  hand over together; open again, wider or narrower by how full it was
 *   open    — end, nothing waited    quiet; narrower
 * </pre>
 */
@RunsOn(Owner.SHARD)
final class BatchWindow {
    /** A window is at least this wide: with a shortest one of 0 it could never find out that it should be wider. */
    private static final long FLOOR_NS = TimeUnit.MILLISECONDS.toNanos(1);

    /** What a window gets wider by, at least: half of one millisecond would take long to grow. */
    private static final long STEP_NS = TimeUnit.MILLISECONDS.toNanos(2);

    /** Runs that go untried at most after ones that were not worth it. */
    private static final int COMPRESSION_PAUSE_MAX = 64;

    final String org;
    final Channel channel;
    private final long minNs;
    private final long maxNs;
    private final int fullCount;
    private final int fullBytes;

    /** Topics that wait, in the order of their first event in this window. */
    final ArrayList<BatchedTopic> waiting = new ArrayList<>();

    private long widthNs;
    private long endNs;
    private long endedNs;
    private int count;
    private long bytes;
    private boolean isOpen;
    private boolean isRetired;
    private int compressionPause;
    private int compressionPausesLeft;

    BatchWindow(String org, Channel channel, BatchingConfig config) {
        this.org = org;
        this.channel = channel;
        minNs = Math.max(
                FLOOR_NS, TimeUnit.MILLISECONDS.toNanos(channel.policy().batchMinMs()));
        maxNs = Math.max(minNs, TimeUnit.MILLISECONDS.toNanos(channel.policy().batchMaxMs()));
        fullCount = config.fullCount();
        fullBytes = config.fullBytes();
        widthNs = minNs;
    }

    boolean isOpen() {
        return isOpen;
    }

    long endNs() {
        return endNs;
    }

    /** How wide the window is that is open, or the next one will be. */
    long widthNs() {
        return widthNs;
    }

    /** Notes an event of the window that is open; those that need not wait count too. */
    void note(int eventBytes) {
        count++;
        bytes += eventBytes;
    }

    void open(long nowNs) {
        isOpen = true;
        endNs = nowNs + widthNs;
        count = 0;
        bytes = 0;
    }

    /** The window has ended: chooses the next one's width. */
    void end(long nowNs) {
        isOpen = false;
        endedNs = nowNs;
        if (count >= fullCount || bytes >= fullBytes) {
            widthNs = Math.min(maxNs, Math.max(widthNs + STEP_NS, widthNs + widthNs / 2));
        } else if (count < fullCount / 4 && bytes < fullBytes / 4) {
            widthNs = Math.max(minNs, widthNs - widthNs / 4);
        }
    }

    /** When the last window ended. */
    long endedNs() {
        return endedNs;
    }

    /** Whether it is no longer the window of its organization and channel. */
    boolean isRetired() {
        return isRetired;
    }

    void retire() {
        assert !isOpen && waiting.isEmpty();
        isRetired = true;
    }

    /** Whether the next run is worth trying; each call counts as one run. */
    boolean takesCompression() {
        if (compressionPausesLeft == 0) {
            return true;
        }
        compressionPausesLeft--;
        return false;
    }

    /** How the last try went. */
    void noteCompression(boolean isWorthIt) {
        compressionPause = isWorthIt ? 0 : Math.min(COMPRESSION_PAUSE_MAX, Math.max(1, 2 * compressionPause));
        compressionPausesLeft = compressionPause;
    }
}
