package hermod.broker.admission;

import hermod.broker.topic.Channel;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What is switched off at one moment. Immutable, any thread.
 *
 * @param allOff why everything is off; null if it is not.
 * @param isTierZeroToo whether that holds for channels of tier 0 too.
 * @param channelsOff why, by channel.
 * @param rolloutPercent users with a percentile below it are served.
 */
public record ServiceState(
        @Nullable String allOff,
        boolean isTierZeroToo,
        Map<String, String> channelsOff,
        List<String> featuresOff,
        int rolloutPercent) {
    /** Percentile of who is served by every rollout: back ends. */
    public static final int ALWAYS = -1;

    private static final int PERCENT = 100;
    private static final String NOT_YET = "this broker does not serve you yet";

    public ServiceState {
        channelsOff = Collections.unmodifiableMap(new LinkedHashMap<>(channelsOff));
        featuresOff = List.copyOf(featuresOff);
    }

    /** From 0 to 99, always the same for a user id: the first four bytes of its SHA-256, big-endian, modulo 100. */
    public static int percentileOf(String user) {
        try {
            byte[] hash = MessageDigest.getInstance("SHA-256").digest(user.getBytes(StandardCharsets.UTF_8));
            return Integer.remainderUnsigned(ByteBuffer.wrap(hash).getInt(), PERCENT);
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException("every JDK has SHA-256", impossible);
        }
    }

    /** Why a user is not served at all, but for channels of tier 0 perhaps; null for one who is. */
    public @Nullable String userOff(int percentile) {
        return allOff != null ? allOff : percentile >= rolloutPercent ? NOT_YET : null;
    }

    /** Why a channel is off for a user; null where it is not. */
    public @Nullable String channelOff(Channel channel, int percentile) {
        String own = channelsOff.get(channel.name());
        if (own != null) {
            return own;
        }
        return channel.policy().tier() == 0 && !isTierZeroToo ? null : userOff(percentile);
    }
}
