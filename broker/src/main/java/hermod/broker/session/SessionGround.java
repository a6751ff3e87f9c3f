package hermod.broker.session;

import hermod.broker.admission.Authenticator;
import hermod.broker.admission.RateLimits;
import hermod.broker.admission.ServiceSwitch;
import hermod.broker.filter.FilterConfig;
import hermod.broker.topic.Channels;
import io.netty.buffer.ByteBufAllocator;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;

/**
 * What all sessions of a broker have in common. Immutable, any thread.
 *
 * @param frameLimitBytes after WELCOME.
 * @param features bits of the features that this broker agrees to.
 * @param isDev whether loopback clients are exempt from the limits on connections.
 */
public record SessionGround(
        SessionConfig config,
        FilterConfig filters,
        PublishConfig publish,
        int payloadLimitBytes,
        int frameLimitBytes,
        int handshakeTimeoutMs,
        int connectionsPerAddressLimitCount,
        int connectionsPerUserLimitCount,
        Authenticator authenticator,
        Channels channels,
        CommandRouter router,
        long features,
        ConnectionLimits limits,
        RateLimits rates,
        ServiceSwitch service,
        Hashes hashes,
        ByteBufAllocator allocator,
        String homeRegion,
        boolean isDev,
        Acknowledgements.Ground acknowledgements) {

    /** What clients are told of the switches as they are now. Made anew with each question: connections and operators ask, not events. */
    ServiceNotice notice() {
        return new ServiceNotice(service.state(), channels);
    }

    /** Makes numbers of identities that nobody outside can make or undo. Any thread. */
    public static final class Hashes {
        private final byte[] secret;

        /** For a broker that forgets everything at its end. */
        public Hashes() {
            this(SecureRandom.getSeed(Long.SIZE / Byte.SIZE * 4));
        }

        /** @param secret the same gives the same numbers. */
        public Hashes(byte[] secret) {
            this.secret = secret.clone();
        }

        /** Equal parts give equal numbers as long as the secret is the same; no two lists of parts run together. */
        long of(String... parts) {
            try {
                MessageDigest digest = MessageDigest.getInstance("SHA-256");
                digest.update(secret);
                for (String part : parts) {
                    byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
                    digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(0, bytes.length));
                    digest.update(bytes);
                }
                return ByteBuffer.wrap(digest.digest()).getLong();
            } catch (NoSuchAlgorithmException impossible) {
                throw new IllegalStateException("every JDK has SHA-256", impossible);
            }
        }
    }
}
