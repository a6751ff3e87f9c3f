package hermod.broker.session;

import hermod.broker.admission.Identity;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.metrics.SlowStats;
import hermod.broker.outbox.Feed;
import hermod.broker.outbox.Ladder;
import hermod.broker.outbox.Outbox;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.ChannelPolicy;
import hermod.protocol.CloseCode;
import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.TopicName;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** How slow a client is: takes the steps of the {@link Ladder} with its outbox, from quarantine to the end of the connection. The session's shard's. What waits in the outbox is freed there when a step sheds or parks it. */
@RunsOn(Owner.SHARD)
final class Slowness {
    private static final Logger LOG = LoggerFactory.getLogger(Slowness.class);

    private final Session session;
    private final Dispatch dispatch;
    private final ShardMetrics metrics;
    private final Client client;
    private final HeldTopics held;
    private final Outbox outbox;
    private final Ladder ladder;

    Slowness(Session session, Client client, HeldTopics held, Outbox outbox) {
        this.session = session;
        this.dispatch = session.dispatch();
        this.metrics = dispatch.metrics();
        this.client = client;
        this.held = held;
        this.outbox = outbox;
        this.ladder = new Ladder(outbox.config());
    }

    /** Takes the steps of a slow consumer's ladder. */
    void onLadder(long nowNs) {
        Ladder.Rung before = ladder.rung();
        Ladder.Step step = ladder.look(nowNs, outbox);
        switch (step) {
            case STAY -> {}
            case QUARANTINE -> {
                metrics.add(Counter.QUARANTINES, 1);
                held.forEachFeed(this::relieve);
            }
            case PARK -> {
                metrics.add(Counter.CONNECTIONS_PARKED, 1);
                outbox.park();
            }
            case RELEASE -> {
                metrics.add(Counter.QUARANTINES_ENDED, 1);
                held.forEachFeed(outbox::restore);
            }
            case CLOSE -> {
                metrics.add(Counter.CONNECTIONS_SLOW, 1);
                session.close(
                        CloseCode.SLOW_CONSUMER,
                        "nothing was taken for " + outbox.config().closeAfterMs() + " ms: queuedBytes="
                                + outbox.queuedBytes());
            }
        }
        if (ladder.rung() != before || step == Ladder.Step.CLOSE) {
            Identity who = client.identity();
            LOG.info(
                    "slow consumer: connection={}, user={}, from={}, to={}, cause={}, queuedBytes={}, behind={}",
                    session.connectionId(),
                    who == null ? "" : TopicName.shown(who.user()),
                    before,
                    step == Ladder.Step.CLOSE ? "CLOSED" : ladder.rung(),
                    ladder.cause(),
                    outbox.queuedBytes(),
                    outbox.behindCount());
        }
        if (step != Ladder.Step.STAY && session.isOpen()) {
            dispatch.flushes().add(outbox);
            dispatch.shard().requestTurn();
        }
    }

    /** Of a quarantined connection: sheddable channels send nothing, durable ones say that what is missing will follow. */
    private void relieve(Feed feed) {
        HeldTopic row = held.heldOf(feed.handle());
        if (row == null || row.isOff || !client.has(Feature.GAP)) {
            return;
        }
        ChannelPolicy policy = row.topic().channel().policy();
        if (policy.tier() >= outbox.config().shedFromTier()) {
            outbox.shed(feed);
        } else if (policy.durability().isOnDisk()) {
            outbox.announceFill(feed);
        }
    }

    /** As operators see it. */
    SlowStats stats() {
        return new SlowStats(
                ladder.rung().label(),
                ladder.cause().label(),
                (dispatch.shard().clock().nowNs() - ladder.sinceNs()) / 1_000,
                outbox.behindCount(),
                outbox.shedCount(),
                outbox.gapCount(),
                outbox.queuedBytes(Priority.LOW),
                outbox.queuedBytes(Priority.NORMAL),
                outbox.queuedBytes(Priority.HIGH),
                outbox.queuedBytes(Priority.URGENT),
                outbox.creditBytes());
    }
}
