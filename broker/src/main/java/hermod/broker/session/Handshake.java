package hermod.broker.session;

import hermod.broker.admission.Identity;
import hermod.broker.admission.Verdict;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.metrics.Counter;
import hermod.broker.outbox.Outbox;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.CloseCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.frame.FrameCheck;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The way of a connection from its first frame to WELCOME: HELLO is checked, its token authenticated, the limits on connections taken, and the topics it wishes for are asked for.
 *
 * <p>The session's shard's; the authenticator answers from elsewhere. WELCOME is given to the outbox. Where the address or the user has as many connections as it may, the connection is closed with TOO_MANY_CONNECTIONS.
 */
@RunsOn(Owner.SHARD)
final class Handshake {
    private final Session session;
    private final SessionGround ground;
    private final Dispatch dispatch;
    private final Client client;
    private final String address;
    private final Intake intake;
    private final Outbox outbox;
    private final Answers answers;
    private final Publishing publishing;
    private final TopicRequests requests;
    private final List<String> takenLimits = new ArrayList<>();
    private int helloRequestId;
    private long connectedAtUs;

    Handshake(
            Session session,
            Client client,
            String address,
            Intake intake,
            Outbox outbox,
            Answers answers,
            Publishing publishing,
            TopicRequests requests) {
        this.session = session;
        this.ground = session.ground();
        this.dispatch = session.dispatch();
        this.client = client;
        this.address = address;
        this.intake = intake;
        this.outbox = outbox;
        this.answers = answers;
        this.publishing = publishing;
        this.requests = requests;
    }

    void onFirstFrame(ByteBuf in, int at) throws ProtocolException {
        boolean isBeyondUs = FrameCheck.hasCriticalExtension(in, at, false);
        if (FrameHeader.type(in, at) != FrameType.HELLO.code()) {
            throw new ProtocolException(
                    CloseCode.HANDSHAKE_EXPECTED,
                    "the first frame must be HELLO (type 0x01), got type 0x"
                            + Integer.toHexString(FrameHeader.type(in, at)));
        }
        if (isBeyondUs) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "HELLO has an extension that must be understood");
        }
        Hello wanted = ControlCodec.decode(Hello.parser(), in, at);
        Welcoming.check(wanted, ground.frameLimitBytes());
        client.hello(wanted);
        helloRequestId = FrameHeader.requestId(in, at);
        session.state(Session.State.AUTHENTICATING);
        intake.pause();
        ground.authenticator()
                .authenticate(wanted.getToken(), verdict -> dispatch.shard().execute(() -> onVerdict(verdict)));
    }

    private void onVerdict(Verdict verdict) {
        Hello hello = client.hello();
        if (session.state() != Session.State.AUTHENTICATING || hello == null) {
            return;
        }
        try {
            if (verdict instanceof Verdict.Accepted accepted) {
                onIdentity(accepted.identity(), hello);
            } else if (verdict instanceof Verdict.Refused refused) {
                session.close(refused.code(), refused.reason());
            }
        } catch (RuntimeException | AssertionError defect) {
            dispatch.onDefect(defect);
            session.close(CloseCode.INTERNAL, "the broker failed to welcome this connection");
        }
        dispatch.shard().requestTurn();
    }

    private void onIdentity(Identity who, Hello wanted) {
        String fault = takeLimits(who);
        if (fault != null) {
            session.close(CloseCode.TOO_MANY_CONNECTIONS, fault);
            return;
        }
        client.identify(who, wanted, ground);
        if (client.has(Feature.CREDIT)) {
            outbox.useCredit();
        }
        publishing.begin(who);
        requests.begin(who);
        session.state(Session.State.SUBSCRIBING);
        List<Wish> wishes = Wish.of(wanted.getSubscriptionsList(), wanted.getFilteredList());
        requests.holdTopics(new TopicRequest(FrameType.WELCOME, 0, wishes.size()), wishes);
    }

    private @Nullable String takeLimits(Identity who) {
        if (who.rights().isService() || (ground.isDev() && isLoopback())) {
            return null;
        }
        String fault = takeLimit("address " + address, "the address", ground.connectionsPerAddressLimitCount());
        return fault != null
                ? fault
                : takeLimit("user " + who.org() + " " + who.user(), "the user", ground.connectionsPerUserLimitCount());
    }

    private boolean isLoopback() {
        return address.startsWith("127.") || address.equals("::1") || address.equals("0:0:0:0:0:0:0:1");
    }

    private @Nullable String takeLimit(String limitKey, String whose, int limitCount) {
        if (!ground.limits().take(limitKey, limitCount)) {
            return whose + " has as many connections as it may: limit=" + limitCount;
        }
        takenLimits.add(limitKey);
        return null;
    }

    void welcome(TopicRequest wishes) {
        Hello hello = client.hello();
        Identity identity = client.identity();
        if (identity == null || hello == null) {
            return;
        }
        session.state(Session.State.OPEN);
        client.told(ground.notice().of(client.percentile()));
        connectedAtUs = dispatch.shard().clock().nowUs();
        answers.answer(ControlCodec.encode(
                ground.allocator(),
                FrameType.WELCOME,
                helloRequestId,
                Welcoming.welcome(
                        ground,
                        hello,
                        identity,
                        client.features(),
                        session.connectionId(),
                        connectedAtUs,
                        wishes.results(),
                        client.resumeToken(),
                        client.told())));
        dispatch.metrics().add(Counter.CONNECTIONS_WELCOMED, 1);
        client.hello(Welcoming.withoutToken(hello));
        intake.begin();
    }

    long connectedAtUs() {
        return connectedAtUs;
    }

    /** The connection has ended. */
    void end() {
        for (String limitKey : takenLimits) {
            ground.limits().giveBack(limitKey);
        }
        takenLimits.clear();
    }
}
