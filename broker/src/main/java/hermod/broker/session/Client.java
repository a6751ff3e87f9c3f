package hermod.broker.session;

import com.google.protobuf.ByteString;
import hermod.broker.admission.Identity;
import hermod.broker.admission.ServiceState;
import hermod.broker.dispatch.Party;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Service;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** Who the client of a connection is, by its HELLO and its token, and what both sides have agreed to. Set by the {@link Handshake}, changed by a {@link TokenRefresh} only. The session's shard's; holds no buffers. */
@RunsOn(Owner.SHARD)
final class Client {
    private @Nullable Hello hello;
    private @Nullable Identity identity;
    private byte[] source = new byte[0];
    private int percentile;
    private long producer;
    private long device;
    private long author;
    private ByteString resumeToken = ByteString.EMPTY;

    /** Feature bits both sides have. */
    private long features;

    /** What the client was last told of what is switched off. */
    private Service told = Service.getDefaultInstance();

    /** Null before HELLO; after WELCOME without its token. */
    @Nullable
    Hello hello() {
        return hello;
    }

    void hello(Hello said) {
        hello = said;
    }

    /** The token of its HELLO is good. */
    void identify(Identity who, Hello wanted, SessionGround ground) {
        identity = who;
        source = who.user().getBytes(StandardCharsets.UTF_8);
        percentile = who.rights().isService() ? ServiceState.ALWAYS : ServiceState.percentileOf(who.user());
        device = ground.hashes().of(who.org(), who.user(), wanted.getDeviceId());
        author = ground.hashes().of("author", who.org(), who.user());
        // Without an epoch a client's next process would look like this one: its sequences mean nothing then.
        producer = wanted.getProducerEpoch() == 0
                ? Party.NO_PRODUCER
                : ground.hashes()
                        .of(who.org(), who.user(), wanted.getDeviceId(), Long.toString(wanted.getProducerEpoch()));
        features = wanted.getFeatures() & (Welcoming.FEATURES | ground.features());
        if (has(Feature.RESUME)) {
            resumeToken = resumeToken(who, wanted.getDeviceId(), ground);
        }
    }

    private static ByteString resumeToken(Identity who, String deviceId, SessionGround ground) {
        long number = ground.hashes().of("resume", who.org(), who.user(), deviceId);
        return ByteString.copyFrom(ByteBuffer.allocate(Long.BYTES).putLong(0, number));
    }

    /** A new token for the same user. */
    void renew(Identity who) {
        identity = who;
    }

    /** Null before the token was found good. */
    @Nullable
    Identity identity() {
        return identity;
    }

    /** The user id in UTF-8. */
    byte[] source() {
        return source;
    }

    /** In which a rollout reaches the user. */
    int percentile() {
        return percentile;
    }

    long producer() {
        return producer;
    }

    long device() {
        return device;
    }

    long author() {
        return author;
    }

    long features() {
        return features;
    }

    /** Empty where RESUME was not agreed. */
    ByteString resumeToken() {
        return resumeToken;
    }

    Service told() {
        return told;
    }

    void told(Service service) {
        told = service;
    }

    /** Whether both ends agreed to a feature. */
    boolean has(Feature feature) {
        return feature.isIn(features);
    }

    boolean mayPublishUrgent() {
        return identity != null && identity.rights().isUrgent();
    }

    /** Of a welcomed client. */
    Session.Authorship authorship() {
        Identity who = identity;
        if (who == null) {
            throw new IllegalStateException("asked for the author before the token was checked");
        }
        return new Session.Authorship(
                who.org(),
                who.user(),
                device,
                percentile,
                who.raisedTo(),
                who.rights().isUrgent());
    }
}
