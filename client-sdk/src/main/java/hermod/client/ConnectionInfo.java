package hermod.client;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What a client knows of its connection at one moment. Immutable.
 *
 * @param connectionId the broker's name for the connection; empty before the first WELCOME, the last one's while not connected.
 * @param roundTrip smoothed; null before the first measurement.
 * @param clockOffsetUs the broker's clock minus this client's, in microseconds.
 * @param clockErrorUs the offset is wrong by at most this many microseconds; {@code Long.MAX_VALUE} before the first WELCOME.
 * @param reconnectAttempts failed attempts since the client was last connected.
 * @param user as the broker took it from the token; empty before the first WELCOME.
 * @param org the tenant, from the token too.
 * @param serviceEnabled false while the broker has service switched off for this user.
 * @param limits what the broker allows; null before the first WELCOME.
 */
public record ConnectionInfo(
        String connectionId,
        ConnectionState state,
        ConnectionQuality quality,
        @Nullable Duration roundTrip,
        long clockOffsetUs,
        long clockErrorUs,
        int reconnectAttempts,
        String user,
        String org,
        String homeRegion,
        boolean serviceEnabled,
        @Nullable BrokerLimits limits) {}
