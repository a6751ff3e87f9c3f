package hermod.broker.session;

import hermod.broker.dispatch.Dispatch;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.outbox.FrameSink;
import hermod.broker.outbox.Outbox;
import hermod.broker.outbox.OutboxConfig;
import hermod.broker.outbox.RunPool;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.Shard;
import hermod.protocol.CloseCode;
import hermod.protocol.control.wire.FilteredTopic;
import hermod.protocol.control.wire.Replaced;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** The sessions of one shard: makes them, watches their deadlines, closes them at the end. */
@RunsOn(Owner.SHARD)
public final class Sessions {
    /** Deadlines are looked at every so many ticks of the shard. */
    private static final int TICKS_PER_LOOK = 3;

    /** Some 5 µs each. */
    private static final int TOLD_AT_A_TIME = 200;

    private final SessionGround ground;
    private final Dispatch dispatch;
    private final OutboxConfig outboxConfig;
    private final RunPool runs = new RunPool();
    private final ArrayList<Session> all = new ArrayList<>();

    /** Of the sessions, at the same places. */
    private final ArrayList<Outbox> outboxes = new ArrayList<>();

    private long sessionCount;
    private int ticks;
    private boolean isDraining;

    public Sessions(SessionGround ground, Dispatch dispatch, OutboxConfig outboxConfig) {
        this.ground = ground;
        this.dispatch = dispatch;
        this.outboxConfig = outboxConfig;
        dispatch.onTick(this::onTick);
    }

    public Shard shard() {
        return dispatch.shard();
    }

    public ShardMetrics metrics() {
        return dispatch.metrics();
    }

    /** Counts and logs what no handler caught. */
    public void onDefect(Throwable defect) {
        dispatch.onDefect(defect);
    }

    /** @param address of the peer, without its port. */
    public Session open(FrameSink sink, String address) {
        dispatch.shard().clock().update();
        // The shard's number in the low bits makes keys unique over all shards; the clock above makes them unique over
        // restarts.
        long key = (dispatch.shard().clock().nowUs() / 1_000 << 20
                        | (sessionCount++ & 0xfff) << 8
                        | dispatch.shard().index())
                & Long.MAX_VALUE;
        Session session = new Session(key, ground, dispatch, sink, this::outbox, address);
        all.add(session);
        if (isDraining) {
            session.beginDrain();
        }
        return session;
    }

    private Outbox outbox(Outbox.Owner owner, FrameSink sink) {
        Outbox made = new Outbox(
                owner, sink, runs, dispatch.metrics(), dispatch.shard().clock(), outboxConfig);
        outboxes.add(made);
        return made;
    }

    private void onTick() {
        if (++ticks % TICKS_PER_LOOK != 0) {
            return;
        }
        long nowNs = dispatch.shard().clock().nowNs();
        long nowUs = dispatch.shard().clock().nowUs();
        for (int i = all.size() - 1; i >= 0; i--) {
            Session session = all.get(i);
            session.onTick(nowNs, nowUs);
            if (session.isClosed()) {
                // Order means nothing here: the last one fills the hole.
                Session last = all.remove(all.size() - 1);
                Outbox lastOutbox = outboxes.remove(all.size());
                if (i < all.size()) {
                    all.set(i, last);
                    outboxes.set(i, lastOutbox);
                }
            }
        }
    }

    /** What operators see of each welcomed session. */
    public List<SessionView> views() {
        List<SessionView> views = new ArrayList<>();
        for (Session session : all) {
            SessionView view = session.view();
            if (view != null) {
                views.add(view);
            }
        }
        return views;
    }

    /**
     * A part of {@link #slow}.
     *
     * @param next where to go on; -1 at the end.
     */
    public record SlowPart(List<SessionView> views, int next) {}

    /**
     * What operators see of the sessions that may be slow, among some: the views of all others are not made. Between two calls sessions may come, go and change places, so one may be missed or told twice.
     *
     * @param from 0, or {@link SlowPart#next} of the part before.
     * @param count sessions to look at.
     */
    public SlowPart slow(int from, int count) {
        List<SessionView> views = new ArrayList<>();
        int end = Math.min(all.size(), from + count);
        for (int i = from; i < end; i++) {
            if (mayBeSlow(outboxes.get(i))) {
                SessionView view = all.get(i).view();
                if (view != null && view.slow().isSlow()) {
                    views.add(view);
                }
            }
        }
        return new SlowPart(views, end < all.size() ? end : -1);
    }

    /** Without a step of the ladder there was an overrun before; without one a cause is the socket, or missing credit. */
    private static boolean mayBeSlow(Outbox outbox) {
        return outbox.overrunCount() > 0 || (outbox.owesEvents() && (outbox.isCongested() || outbox.lacksCredit()));
    }

    /** One session's answer to {@link #replace}: what its client was told, or null where that could not be. */
    public record Answer(String connection, String device, CompletableFuture<@Nullable Replaced> told) {}

    /**
     * Replaces the subscriptions of all sessions of a user.
     *
     * @return one answer for each, which is completed on this shard; not at all for a session that ends before.
     */
    public List<Answer> replace(String org, String user, List<FilteredTopic> topics, boolean keepsOthers) {
        List<Wish> wishes = Wish.of(List.of(), topics);
        List<Answer> answers = new ArrayList<>();
        for (Session session : List.copyOf(all)) {
            SessionView view = session.view();
            if (view != null
                    && view.identity().org().equals(org)
                    && view.identity().user().equals(user)) {
                CompletableFuture<@Nullable Replaced> told = new CompletableFuture<>();
                session.changes().replaceUnasked(wishes, keepsOthers, told::complete);
                answers.add(new Answer(view.id(), view.device(), told));
            }
        }
        dispatch.shard().requestTurn();
        return answers;
    }

    /** The switches have changed: they hold when this returns; clients are told some at a time, so that events don't wait for it. */
    public void applyService() {
        for (Session session : all) {
            session.applyService();
        }
        tellService(List.copyOf(all), 0, ground.notice());
    }

    private void tellService(List<Session> toTell, int from, ServiceNotice notice) {
        int to = Math.min(toTell.size(), from + TOLD_AT_A_TIME);
        for (int i = from; i < to; i++) {
            toTell.get(i).tellService(notice);
        }
        if (to < toTell.size()) {
            dispatch.shard().execute(() -> tellService(toTell, to, notice));
        }
    }

    /** Takes nothing more from any client; to be followed by {@link #sendAway}, again and again. */
    public void beginDrain() {
        isDraining = true;
        for (Session session : List.copyOf(all)) {
            session.beginDrain();
        }
    }

    /**
     * Closes the sessions that have nothing left to be sent.
     *
     * @param all those too that have.
     * @return how many are left.
     */
    public int sendAway(Departure departure, boolean all) {
        int left = 0;
        for (Session session : List.copyOf(this.all)) {
            if (!session.isClosed()) {
                if (all || session.isDrained()) {
                    session.goAway(departure);
                } else {
                    left++;
                }
            }
        }
        return left;
    }

    /** Tells every client that the broker stops. */
    public void closeAll() {
        for (Session session : List.copyOf(all)) {
            session.close(CloseCode.GOING_AWAY, "the broker is stopping");
        }
        all.clear();
        outboxes.clear();
    }
}
