package hermod.broker.session;

import hermod.broker.admission.Identity;
import hermod.broker.filter.BadFilterException;
import hermod.broker.filter.EventFilter;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.Channel;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.TopicName;
import hermod.protocol.control.wire.Filter;
import hermod.protocol.control.wire.TopicResult;
import org.jspecify.annotations.Nullable;

/** Says which topics the client of a connection may hold, and why not the others: by name, rights, switches, filter, and how many it holds. The session's shard's; holds no buffers. */
@RunsOn(Owner.SHARD)
final class TopicGate {
    /** What {@code limits:service} lifts the limit on topics to, where the configured one is lower. */
    private static final int SERVICE_TOPICS_LIMIT_COUNT = 100_000;

    private final SessionGround ground;
    private final Client client;

    TopicGate(SessionGround ground, Client client) {
        this.ground = ground;
        this.client = client;
    }

    /** Why a topic can't be held now, by its name, the token and what is switched off; null if it may. */
    @Nullable
    TopicResult refusalOf(String name, boolean asSubscriber) {
        String fault = TopicName.faultOf(name);
        if (fault != null) {
            return refusal(name, ErrorCode.BAD_TOPIC_NAME, fault);
        }
        String channel = TopicName.of(name).channel();
        Channel of = ground.channels().of(channel);
        if (of == null) {
            return refusal(
                    name,
                    ErrorCode.UNKNOWN_CHANNEL,
                    "unknown channel '" + channel + "'; this broker has: "
                            + ground.channels().names());
        }
        if (!mayHold(asSubscriber, name)) {
            return refusal(
                    name,
                    ErrorCode.FORBIDDEN,
                    "the token gives no right to " + (asSubscriber ? "subscribe to '" : "publish to '") + name + "'");
        }
        String off = ground.service().state().channelOff(of, client.percentile());
        return off == null ? null : refusal(name, ErrorCode.NOT_ENABLED, off);
    }

    /**
     * Why a topic can't be subscribed to with its filter; null if it may.
     *
     * @param filterBytes of the connection's other filters.
     */
    @Nullable
    TopicResult refusalOf(Wish wish, long filterBytes) {
        TopicResult refusal = refusalOf(wish.topic(), true);
        Filter filter = wish.filter();
        if (refusal != null || filter == null) {
            return refusal;
        }
        if (!client.has(Feature.FILTER)) {
            return refusal(wish.topic(), ErrorCode.UNSUPPORTED, "filters were not agreed in HELLO and WELCOME");
        }
        int limitBytes = ground.filters().perConnectionLimitBytes();
        if (filterBytes + filter.getSerializedSize() > limitBytes) {
            return refusal(
                    wish.topic(),
                    ErrorCode.BAD_FILTER,
                    "the connection's filters have more bytes than they may: limit=" + limitBytes
                            + " (filter.per-connection-limit-bytes)");
        }
        try {
            EventFilter.compile(filter, ground.filters());
            return null;
        } catch (BadFilterException bad) {
            return refusal(wish.topic(), ErrorCode.BAD_FILTER, bad.sentence());
        }
    }

    /** The filter of a wish that {@link #refusalOf} found good; null for all events. */
    @Nullable
    EventFilter compiled(Wish wish) {
        try {
            return wish.filter() == null ? null : EventFilter.compile(wish.filter(), ground.filters());
        } catch (BadFilterException changed) {
            throw new IllegalStateException("a filter that was found good: " + changed.sentence(), changed);
        }
    }

    boolean mayHold(boolean asSubscriber, String name) {
        Identity who = client.identity();
        return who != null
                && (asSubscriber
                        ? who.rights().maySubscribe(name)
                        : who.rights().mayPublish(name));
    }

    boolean isOff(Channel channel) {
        return ground.service().state().channelOff(channel, client.percentile()) != null;
    }

    int topicsLimitCount() {
        Identity who = client.identity();
        return who == null ? 0 : topicsLimitCount(ground.config(), who);
    }

    TopicResult tooManyHeld(String name) {
        return refusal(
                name,
                ErrorCode.TOO_MANY_TOPICS_HELD,
                "the connection holds as many topics as it may: limit=" + topicsLimitCount());
    }

    /** Topics a connection of this identity may hold. */
    static int topicsLimitCount(SessionConfig config, Identity who) {
        int limitCount = config.topicsPerConnectionLimitCount();
        return who.rights().isService() ? Math.max(limitCount, SERVICE_TOPICS_LIMIT_COUNT) : limitCount;
    }

    static TopicResult refusal(String name, ErrorCode code, String sentence) {
        return TopicResult.newBuilder()
                .setTopic(name)
                .setCode(code.code())
                .setMessage(sentence)
                .build();
    }
}
