package hermod.broker.session;

import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.outbox.Feed;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.Topic;
import java.util.ArrayList;

/**
 * What a connection was sent of channels whose events are to be acknowledged, and what becomes of it: acknowledged, or sent again.
 *
 * <p>Sending again rewinds the subscription to the first event that is due, so order holds: what was sent behind it comes again too, and the client knows what it has handled.
 */
@RunsOn(Owner.SHARD)
public final class Acknowledgements {
    /** Who wants to know what devices have acknowledged. Any thread; must not wait. */
    public interface Sink {
        /** For a broker in which nobody wants to. */
        Sink NONE = (topic, device, offsets) -> true;

        /**
         * A device has received and handled events that it was sent.
         *
         * @param device as {@code Party.device()} has it.
         * @param offsets given.
         * @return false if too much waits: it will be told again.
         */
        boolean onAcknowledged(Topic topic, long device, long[] offsets);
    }

    /** What all connections have in common. Immutable. */
    public record Ground(RedeliveryConfig config, Sink sink) {}

    private final Ground ground;
    private final ShardMetrics metrics;
    private final long device;
    private final ArrayList<Unacknowledged> all = new ArrayList<>(1);
    private long probedNs;

    Acknowledgements(Ground ground, ShardMetrics metrics, long device, long nowNs) {
        this.ground = ground;
        this.metrics = metrics;
        this.device = device;
        this.probedNs = nowNs;
    }

    /** A subscription begins whose events are to be acknowledged. */
    void begin(HeldTopic row, Feed feed) {
        Unacknowledged begun = new Unacknowledged(row, feed, ground.config());
        all.add(begun);
        feed.onWritten(begun);
    }

    void end(Feed feed) {
        all.removeIf(each -> each.feed == feed);
    }

    /** The client has handled all it was sent of a topic up to and including an offset. */
    void acknowledge(Feed feed, long offset) {
        for (Unacknowledged each : all) {
            if (each.feed == feed) {
                each.acknowledge(offset);
                tell(each);
            }
        }
    }

    private void tell(Unacknowledged of) {
        int count = of.acknowledgedCount();
        if (count > 0 && ground.sink().onAcknowledged(of.row.topic(), device, of.first(count))) {
            of.removeFirst(count);
            metrics.add(Counter.EVENTS_ACKNOWLEDGED, count);
        }
    }

    /** What a look at the time asks the session for. */
    enum Need {
        NOTHING,
        /** A turn: something is sent again. */
        TURN,
        /** A sign of life: without one nothing is sent again. */
        PROBE
    }

    /**
     * Sends again what is due.
     *
     * @param receivedNs when bytes came last: only to a device that is there is anything sent again.
     */
    Need onTick(long nowNs, long receivedNs) {
        Need need = Need.NOTHING;
        for (Unacknowledged each : all) {
            tell(each);
            int due = each.row.isOff ? -1 : each.firstDue(nowNs);
            if (due < 0) {
                continue;
            }
            if (receivedNs - each.sentNs(due) <= 0) {
                if (need == Need.NOTHING && nowNs - probedNs >= ground.config().afterMs() * 1_000_000L) {
                    probedNs = nowNs;
                    need = Need.PROBE;
                }
            } else if (each.feed.outbox().rewind(each.feed, each.offset(due))) {
                each.onRewind(due, nowNs);
                metrics.add(Counter.EVENTS_REDELIVERED, each.count() - due);
                need = Need.TURN;
            }
        }
        return need;
    }
}
