package hermod.client.internal;

import hermod.client.HermodException;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Refresh;
import hermod.protocol.control.wire.Refreshed;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoop;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Gives the broker a new token over the open connection: one attempt at a time, shared by all who ask for it. Loop thread only. */
final class TokenRefresh {
    private static final Logger LOG = LoggerFactory.getLogger("hermod.client");

    private final Session session;
    private final Tokens tokens;
    private final Completions completions;
    private final EventLoop loop;
    private @Nullable CompletableFuture<Void> running;

    TokenRefresh(Session session, Tokens tokens, Completions completions, EventLoop loop) {
        this.session = session;
        this.tokens = tokens;
        this.completions = completions;
        this.loop = loop;
    }

    /** Begins an attempt where it is time for one. */
    void onTick() {
        if (running == null && tokens.isRefreshDue(session.brokerNowUs())) {
            CompletableFuture<Void> unused = start();
        }
    }

    /** The connection is gone, and with it the answer. */
    void onDisconnected(HermodException why) {
        if (running != null) {
            fail(running, why);
        }
    }

    /** Begins an attempt, or joins the one that runs. */
    CompletableFuture<Void> start() {
        if (running != null) {
            return running;
        }
        CompletableFuture<Void> result = new CompletableFuture<>();
        running = result;
        CompletableFuture<String> unused = tokens.ask()
                .whenCompleteAsync(
                        (fresh, failure) -> {
                            onToken(result, fresh, failure);
                            session.settle();
                        },
                        loop);
        return result;
    }

    private void onToken(CompletableFuture<Void> result, @Nullable String fresh, @Nullable Throwable failure) {
        if (running != result) {
            // Its connection was lost meanwhile, and whoever asked was told.
            return;
        }
        Connection to = session.openConnection();
        if (fresh == null) {
            String what = "the token source failed: " + failure;
            fail(result, new HermodException(HermodException.TOKEN_SOURCE_FAILED, what, 0, failure));
        } else if (to == null) {
            fail(result, new HermodException(HermodException.NOT_CONNECTED, "there is no connection to refresh"));
        } else {
            send(to, result, fresh);
        }
    }

    private void send(Connection to, CompletableFuture<Void> result, String fresh) {
        Refresh message = Refresh.newBuilder().setToken(fresh).build();
        to.request(FrameType.REFRESH, message, FrameType.REFRESHED, System.nanoTime(), new Requests.Answer() {
            @Override
            public void onAnswer(ByteBuf in, int at) throws ProtocolException {
                Refreshed refreshed = ControlCodec.decode(Refreshed.parser(), in, at);
                tokens.onAccepted(fresh, refreshed.getTokenExpiresAtUs(), session.brokerNowUs());
                running = null;
                completions.done(result);
            }

            @Override
            public void onFailure(HermodException why) {
                fail(result, why);
            }
        });
    }

    private void fail(CompletableFuture<Void> result, HermodException why) {
        LOG.warn("the token was not refreshed: {}", why.getMessage());
        running = null;
        tokens.onRefreshFailed(session.brokerNowUs());
        completions.fail(result, why);
    }
}
