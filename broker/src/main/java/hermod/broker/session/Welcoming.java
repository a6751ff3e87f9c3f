package hermod.broker.session;

import com.google.protobuf.ByteString;
import hermod.broker.admission.Identity;
import hermod.protocol.CloseCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.ProtocolVersion;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Limits;
import hermod.protocol.control.wire.Refreshed;
import hermod.protocol.control.wire.Service;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;

/** What a HELLO must hold and what its WELCOME says. Stateless. */
final class Welcoming {
    /** What this broker agrees to. */
    static final long FEATURES = Feature.CREDIT.bit()
            | Feature.RESUME.bit()
            | Feature.GAP.bit()
            | Feature.FILTER.bit()
            | Feature.ACK.bit()
            | Feature.STATE.bit();

    private Welcoming() {}

    /** @throws ProtocolException VERSION_NOT_SUPPORTED, FRAME_TOO_LONG or BAD_FRAME. */
    static void check(Hello hello, int frameLimitBytes) throws ProtocolException {
        if (ProtocolVersion.choose(hello.getMinVersion(), hello.getMaxVersion()) == 0) {
            throw new ProtocolException(
                    CloseCode.VERSION_NOT_SUPPORTED,
                    "no version in common: client=" + Integer.toUnsignedString(hello.getMinVersion()) + "–"
                            + Integer.toUnsignedString(hello.getMaxVersion()) + ", broker=" + ProtocolVersion.LOWEST
                            + "–"
                            + ProtocolVersion.HIGHEST);
        }
        int takenBytes = hello.getMaxFrameBytes();
        if (takenBytes != 0 && Integer.compareUnsigned(takenBytes, frameLimitBytes) < 0) {
            throw new ProtocolException(
                    CloseCode.FRAME_TOO_LONG,
                    "the client takes frames of at most " + Integer.toUnsignedString(takenBytes)
                            + " bytes, and events here may have " + frameLimitBytes);
        }
        int deviceBytes = hello.getDeviceId().getBytes(StandardCharsets.UTF_8).length;
        if (deviceBytes == 0 || deviceBytes > ProtocolLimits.DEVICE_ID_BYTES) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME,
                    "device_id has 1 to " + ProtocolLimits.DEVICE_ID_BYTES + " bytes: bytes=" + deviceBytes);
        }
        if (hello.getSubscriptionsCount() + hello.getFilteredCount() > ProtocolLimits.TOPICS_PER_REQUEST) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME, "too many subscriptions in HELLO: limit=" + ProtocolLimits.TOPICS_PER_REQUEST);
        }
    }

    static Welcome welcome(
            SessionGround ground,
            Hello hello,
            Identity who,
            long features,
            String connectionId,
            long nowUs,
            List<TopicResult> subscriptions,
            ByteString resumeToken,
            Service service) {
        SessionConfig config = ground.config();
        boolean isLimited = !who.rights().isRateUnlimited();
        Welcome.Builder welcome = Welcome.newBuilder();
        if (ServiceNotice.isWorthTelling(service)) {
            welcome.setService(service);
        }
        return welcome.setVersion(ProtocolVersion.choose(hello.getMinVersion(), hello.getMaxVersion()))
                .setFeatures(features)
                .setResumeToken(resumeToken)
                .setConnectionId(connectionId)
                .setUserId(who.user())
                .setOrg(who.org())
                .setServiceEnabled(service.getEnabled())
                .setServiceReason(service.getReason())
                .addAllSubscriptions(subscriptions)
                .setHomeRegion(ground.homeRegion())
                .setTokenExpiresAtUs(who.expiresAtUs())
                .setServerTimeUs(nowUs)
                .setLimits(Limits.newBuilder()
                        .setFrameBytes(ground.frameLimitBytes())
                        .setPayloadBytes(ground.payloadLimitBytes())
                        .setPublishWindowEvents(ground.publish().windowEvents())
                        .setPublishWindowBytes(ground.publish().windowBytes())
                        .setTopicsPerConnection(TopicGate.topicsLimitCount(config, who))
                        .setPublishesPerSecond(isLimited ? config.publishesPerSecond() : 0)
                        .setPublishBytesPerSecond(isLimited ? config.publishBytesPerSecond() : 0))
                .setPingIntervalMs(config.pingIntervalMs())
                .setSilenceTimeoutMs(config.silenceTimeoutMs())
                .build();
    }

    static ByteBuf refreshed(ByteBufAllocator allocator, int requestId, Identity who) {
        return ControlCodec.encode(
                allocator,
                FrameType.REFRESHED,
                requestId,
                Refreshed.newBuilder().setTokenExpiresAtUs(who.expiresAtUs()).build());
    }

    /** What operators are shown of a HELLO; the token and the wishes would stay in memory as long as the connection. */
    static Hello withoutToken(Hello hello) {
        return Hello.newBuilder()
                .setDeviceId(hello.getDeviceId())
                .setPlatform(hello.getPlatform())
                .build();
    }

    static String platformName(Hello hello) {
        return hello.getPlatform().name().replace("PLATFORM_", "").toLowerCase(Locale.ROOT);
    }
}
