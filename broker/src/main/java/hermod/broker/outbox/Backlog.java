package hermod.broker.outbox;

import hermod.broker.shard.RunsOn;
import hermod.protocol.Priority;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/** The feeds of one outbox that are behind: who wants to read, lane by lane and in turn, and what was asked for. */
@RunsOn(RunsOn.Owner.SHARD)
final class Backlog {
    private final List<ArrayDeque<Feed>> wanting = new ArrayList<>();
    private final long[] askedBytes = new long[Priority.COUNT];
    private int wantingCount;

    /** Feeds that are behind. */
    int feedCount;

    Backlog() {
        for (int lane = 0; lane < Priority.COUNT; lane++) {
            wanting.add(new ArrayDeque<>(2));
        }
    }

    /** From {@link Feed#nextOffset} on the feed is behind; an answer under way is to an old question. */
    void add(Feed feed, Priority lane) {
        if (feed.state != Feed.State.BEHIND) {
            feed.state = Feed.State.BEHIND;
            feedCount++;
        }
        forgetQuestion(feed);
        unwant(feed);
        if (feed.nextOffset >= feed.liftedEnd || lane.compareTo(feed.readLane) > 0) {
            feed.readLane = lane;
        }
        want(feed);
    }

    /** The feed is over, or no longer reads. */
    void remove(Feed feed) {
        forgetQuestion(feed);
        unwant(feed);
        if (feed.state == Feed.State.BEHIND) {
            feed.state = Feed.State.LIVE;
            feedCount--;
        }
    }

    /** A raised event waits in the topic: the feed reads in that event's lane until it has it. */
    void lift(Feed feed, Priority lane, long end) {
        boolean isWanting = feed.wantsRead;
        unwant(feed);
        if (feed.readBytes > 0) {
            askedBytes[feed.readLane.code()] -= feed.readBytes;
            askedBytes[lane.code()] += feed.readBytes;
        }
        feed.readLane = lane;
        feed.liftedEnd = end;
        if (isWanting) {
            want(feed);
        }
    }

    boolean isWanting() {
        return wantingCount > 0;
    }

    boolean isWanting(int lane) {
        return !wanting.get(lane).isEmpty();
    }

    /** Takes the next feed of a lane that wants to read, and notes that it was asked for. */
    Feed ask(int lane, int bytes) {
        Feed feed = wanting.get(lane).removeFirst();
        wantingCount--;
        feed.wantsRead = false;
        feed.readBytes = bytes;
        feed.readNumber++;
        askedBytes[lane] += bytes;
        return feed;
    }

    /**
     * @param lane in which the feed reads on, unless a raised event still waits.
     * @param isTail whether the feed has read all there is.
     */
    void onAnswer(Feed feed, Priority lane, boolean isTail) {
        askedBytes[feed.readLane.code()] -= feed.readBytes;
        feed.readBytes = 0;
        if (feed.nextOffset >= feed.liftedEnd) {
            feed.readLane = lane;
        }
        if (isTail) {
            feed.state = Feed.State.LIVE;
            feedCount--;
        } else {
            want(feed);
        }
    }

    private void forgetQuestion(Feed feed) {
        if (feed.readBytes > 0) {
            askedBytes[feed.readLane.code()] -= feed.readBytes;
            feed.readBytes = 0;
            feed.readNumber++;
        }
    }

    private void want(Feed feed) {
        if (!feed.wantsRead) {
            feed.wantsRead = true;
            wanting.get(feed.readLane.code()).addLast(feed);
            wantingCount++;
        }
    }

    private void unwant(Feed feed) {
        if (feed.wantsRead) {
            feed.wantsRead = false;
            wanting.get(feed.readLane.code()).remove(feed);
            wantingCount--;
        }
    }

    /** Bytes asked for in a lane and not answered. */
    long askedBytes(int lane) {
        return askedBytes[lane];
    }

    /** The same of all lanes. */
    long askedBytes() {
        long sum = 0;
        for (long bytes : askedBytes) {
            sum += bytes;
        }
        return sum;
    }

    /** Bytes that a lane must leave free: what was asked for, and what lower lanes that want to read may have in any case. */
    long promisedBytes(int lane, long[] laneBytes, int floorBytes) {
        long sum = askedBytes();
        for (int lower = 0; lower < lane; lower++) {
            if (isWanting(lower)) {
                sum += Math.max(0, floorBytes - laneBytes[lower] - askedBytes[lower]);
            }
        }
        return sum;
    }

    /** Lanes below URGENT that have events, or feeds that want to read: they share the room. */
    int laneCount(long[] laneBytes) {
        int count = 0;
        for (int lane = 0; lane < Priority.URGENT.code(); lane++) {
            if (laneBytes[lane] + askedBytes[lane] > 0 || isWanting(lane)) {
                count++;
            }
        }
        return Math.max(1, count);
    }
}
