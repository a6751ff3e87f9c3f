package hermod.broker.admission;

import hermod.broker.topic.Channel;
import hermod.broker.topic.Channels;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The operators' kill switches and the rollout. Any thread; changing one takes a short lock, asking none. Kept in memory: a start begins with the configuration again.
 *
 * <p>Who changes something has the shards apply it; this class only says what holds.
 */
public final class ServiceSwitch {
    /** Names every channel but those of tier 0. */
    public static final String ALL = "all";

    private static final int REASON_LENGTH_MAX = 200;

    private final Channels channels;
    private volatile ServiceState state;

    public ServiceSwitch(ServiceConfig config, Channels channels) {
        this.channels = channels;
        Map<String, String> off = new LinkedHashMap<>();
        config.channelsOff().forEach(name -> off.put(name, reason("", name)));
        state = new ServiceState(
                config.enabled() ? null : reason(config.reason(), ALL),
                false,
                off,
                config.featuresOff(),
                config.rolloutPercent());
    }

    public ServiceState state() {
        return state;
    }

    /**
     * Switches everything, or one channel, off.
     *
     * @param what a channel, or {@link #ALL}.
     * @param isConfirmed whether channels of tier 0 are meant too.
     * @throws IllegalArgumentException with a sentence for the operator if that names nothing, or is not confirmed.
     */
    public synchronized ServiceState kill(String what, String reason, boolean isConfirmed) {
        ServiceState now = state;
        if (reason.length() > REASON_LENGTH_MAX) {
            throw new IllegalArgumentException("the reason is longer than " + REASON_LENGTH_MAX + " characters");
        }
        if (what.equals(ALL)) {
            state = new ServiceState(
                    reason(reason, ALL), isConfirmed, now.channelsOff(), now.featuresOff(), now.rolloutPercent());
            return state;
        }
        Channel channel = channel(what);
        if (channel.policy().tier() == 0 && !isConfirmed) {
            throw new IllegalArgumentException(
                    "channel " + what + " is of tier 0 and needs a confirmation of its own: --confirm-safety");
        }
        Map<String, String> off = new LinkedHashMap<>(now.channelsOff());
        off.put(what, reason(reason, what));
        state = new ServiceState(now.allOff(), now.isTierZeroToo(), off, now.featuresOff(), now.rolloutPercent());
        return state;
    }

    /**
     * The reverse. What was switched off by its own name is switched on by it only.
     *
     * @throws IllegalArgumentException with a sentence for the operator if that names nothing.
     */
    public synchronized ServiceState lift(String what) {
        ServiceState now = state;
        if (what.equals(ALL)) {
            state = new ServiceState(null, false, now.channelsOff(), now.featuresOff(), now.rolloutPercent());
            return state;
        }
        channel(what);
        Map<String, String> off = new LinkedHashMap<>(now.channelsOff());
        off.remove(what);
        state = new ServiceState(now.allOff(), now.isTierZeroToo(), off, now.featuresOff(), now.rolloutPercent());
        return state;
    }

    /** @throws IllegalArgumentException with a sentence for the operator if it is no share. */
    public synchronized ServiceState rollout(int percent) {
        if (percent < 0 || percent > 100) {
            throw new IllegalArgumentException("the rollout is " + percent + "; it must be 0 to 100 percent");
        }
        ServiceState now = state;
        state = new ServiceState(now.allOff(), now.isTierZeroToo(), now.channelsOff(), now.featuresOff(), percent);
        return state;
    }

    private Channel channel(String name) {
        Channel channel = channels.of(name);
        if (channel == null) {
            throw new IllegalArgumentException("there is no channel '" + name + "'; there are: " + channels.names());
        }
        return channel;
    }

    private static String reason(String given, String what) {
        return !given.isBlank() ? given : what.equals(ALL) ? "service is switched off" : what + " is switched off";
    }
}
