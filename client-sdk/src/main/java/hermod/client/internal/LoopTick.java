package hermod.client.internal;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** One timer for all clients of an event loop: heartbeats, deadlines and reports are checked on it. Runs only while there are clients. Loop thread only. */
final class LoopTick {
    static final long EVERY_MS = 200;

    private final EventLoop loop;
    private final List<Session> sessions = new ArrayList<>();
    private @Nullable Future<?> timer;

    LoopTick(EventLoop loop) {
        this.loop = loop;
    }

    void add(Session session) {
        sessions.add(session);
        if (timer == null) {
            timer = loop.scheduleWithFixedDelay(this::tick, EVERY_MS, EVERY_MS, TimeUnit.MILLISECONDS);
        }
    }

    void remove(Session session) {
        sessions.remove(session);
        if (sessions.isEmpty() && timer != null) {
            timer.cancel(false);
            timer = null;
        }
    }

    private void tick() {
        long nowNs = System.nanoTime();
        // A copy, since a session may take itself off the list.
        for (Session session : sessions.toArray(new Session[0])) {
            session.onTick(nowNs);
        }
    }
}
