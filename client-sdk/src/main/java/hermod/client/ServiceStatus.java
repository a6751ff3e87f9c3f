package hermod.client;

import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What the broker has switched off for this client, as it last told. Immutable.
 *
 * @param enabled false: every channel but those in {@code channelsOn} is off.
 * @param reason why, where enabled is false.
 * @param channelsOn channels that go on where enabled is false.
 * @param channelsOff channels that are off whatever enabled is, and why.
 * @param featuresOff of presence, typing, receipts.
 */
public record ServiceStatus(
        boolean enabled,
        String reason,
        Set<String> channelsOn,
        Map<String, String> channelsOff,
        Set<String> featuresOff) {
    /** Nothing is off. */
    public static final ServiceStatus ALL_ON = new ServiceStatus(true, "", Set.of(), Map.of(), Set.of());

    public ServiceStatus {
        channelsOn = Set.copyOf(channelsOn);
        channelsOff = Map.copyOf(channelsOff);
        featuresOff = Set.copyOf(featuresOff);
    }

    /** Why a channel is off; null where it is on. */
    public @Nullable String offReason(String channel) {
        String own = channelsOff.get(channel);
        return own != null || enabled || channelsOn.contains(channel) ? own : reason;
    }
}
