package hermod.broker.session;

import hermod.broker.admission.EventRate;
import hermod.broker.admission.Identity;
import hermod.broker.admission.RateLimits;
import hermod.broker.dispatch.Allowance;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.ShardClock;
import hermod.broker.topic.Channel;
import hermod.protocol.Priority;
import org.agrona.collections.Int2ObjectHashMap;
import org.jspecify.annotations.Nullable;

/** One connection's part in its user's rates: what it has taken of them, to be given back when it ends. */
@RunsOn(Owner.SHARD)
final class UserRates {
    private final RateLimits limits;
    private final PublishConfig config;
    private final Identity who;
    private final ShardClock clock;
    private final Int2ObjectHashMap<OfChannel> byChannel = new Int2ObjectHashMap<>();
    private @Nullable EventRate urgent;

    UserRates(RateLimits limits, PublishConfig config, Identity who, ShardClock clock) {
        this.limits = limits;
        this.config = config;
        this.who = who;
        this.clock = clock;
    }

    /** What the user may publish to a channel. */
    Allowance of(Channel channel) {
        return byChannel.computeIfAbsent(channel.index(), none -> new OfChannel(channel));
    }

    /** The connection has ended. */
    void giveBack() {
        byChannel.values().forEach(OfChannel::giveBack);
        byChannel.clear();
        if (urgent != null) {
            limits.giveBack(urgent, clock.nowNs());
            urgent = null;
        }
    }

    private int urgentRetryAfterMs() {
        if (config.urgentRatePerMinute() == 0) {
            return 0;
        }
        EventRate rate = urgent;
        if (rate == null) {
            rate = limits.ofUrgent(
                    who.org(), who.user(), config.urgentRatePerMinute(), config.urgentRateBurst(), clock.nowNs());
            urgent = rate;
        }
        return rate.retryAfterMs(clock.nowNs());
    }

    private final class OfChannel implements Allowance {
        private final @Nullable EventRate rate;

        OfChannel(Channel channel) {
            int perMinute = channel.policy().ratePerMinute();
            rate = perMinute == 0
                    ? null
                    : limits.ofChannel(
                            who.org(),
                            who.user(),
                            channel.index(),
                            perMinute,
                            channel.policy().rateBurst(),
                            clock.nowNs());
        }

        @Override
        public int retryAfterMs(Priority priority) {
            if (priority == Priority.URGENT) {
                return urgentRetryAfterMs();
            }
            return rate == null ? 0 : rate.retryAfterMs(clock.nowNs());
        }

        void giveBack() {
            if (rate != null) {
                limits.giveBack(rate, clock.nowNs());
            }
        }
    }
}
