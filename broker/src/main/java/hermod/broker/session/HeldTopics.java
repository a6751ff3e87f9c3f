package hermod.broker.session;

import hermod.broker.admission.Identity;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.filter.EventFilter;
import hermod.broker.filter.FeedFilter;
import hermod.broker.outbox.Feed;
import hermod.broker.outbox.Outbox;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.Channel;
import hermod.broker.topic.Topic;
import hermod.protocol.CloseCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Unsubscribed;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.agrona.collections.Int2ObjectHashMap;
import org.jspecify.annotations.Nullable;

/**
 * What a connection holds of topics: the rows of its table of rights, and the subscriptions behind them.
 *
 * <p>The session's shard's. Holds no buffers: those of a subscription are its outbox's, and freed there when it ends. How many topics may be held is for {@link TopicGate} to say before.
 */
@RunsOn(Owner.SHARD)
final class HeldTopics {
    private final SessionGround ground;
    private final Dispatch dispatch;
    private final Client client;
    private final TopicGate gate;
    private final Outbox outbox;
    private final Answers answers;
    private final Int2ObjectHashMap<HeldTopic> held = new Int2ObjectHashMap<>();
    private @Nullable HeldTopic lastHeld;

    /** Of subscriptions whose events are to be acknowledged; null while there was none. */
    private @Nullable Acknowledgements acknowledgements;

    HeldTopics(SessionGround ground, Dispatch dispatch, Client client, TopicGate gate, Outbox outbox, Answers answers) {
        this.ground = ground;
        this.dispatch = dispatch;
        this.client = client;
        this.gate = gate;
        this.outbox = outbox;
        this.answers = answers;
    }

    /** Publishers mostly stay with a topic for a while. */
    @Nullable
    HeldTopic heldTopic(int handle) {
        HeldTopic last = lastHeld;
        if (last != null && last.topic().handle() == handle) {
            return last;
        }
        HeldTopic found = held.get(handle);
        lastHeld = found;
        return found;
    }

    @Nullable
    HeldTopic heldOf(int handle) {
        return held.get(handle);
    }

    /** The subscription to a topic; null when there is none. */
    @Nullable
    Feed feed(int handle) {
        HeldTopic row = held.get(handle);
        return row == null ? null : row.feed;
    }

    int size() {
        return held.size();
    }

    /** Asked at the limit only. */
    boolean isHeld(String name) {
        for (HeldTopic row : held.values()) {
            if (row.topic().name().toString().equals(name)) {
                return true;
            }
        }
        return false;
    }

    boolean isNewSubscription(Topic topic) {
        HeldTopic row = held.get(topic.handle());
        return row == null || row.feed == null;
    }

    /** Rows that are subscribed to, by their topics' names. */
    Map<String, HeldTopic> subscribedByName() {
        Map<String, HeldTopic> rows = new LinkedHashMap<>();
        for (HeldTopic row : held.values()) {
            if (row.feed != null) {
                rows.put(row.topic().name().toString(), row);
            }
        }
        return rows;
    }

    /** Names of the topics that are subscribed to, for operators. */
    List<String> subscriptions() {
        List<String> topics = new ArrayList<>();
        for (HeldTopic row : held.values()) {
            if (row.feed != null) {
                topics.add(row.topic().name().toString());
            }
        }
        return topics;
    }

    /** From topic to filter, where there is one, for operators. */
    Map<String, String> filters() {
        Map<String, String> filters = new LinkedHashMap<>();
        for (HeldTopic row : held.values()) {
            Feed feed = row.feed;
            FeedFilter filter = feed == null ? null : feed.filter();
            EventFilter current = filter == null ? null : filter.current();
            if (current != null && current != EventFilter.NOTHING) {
                filters.put(row.topic().name().toString(), current.toString());
            }
        }
        return filters;
    }

    /** Bytes of the filters of all subscriptions but those of some topics. */
    long filterBytes(Predicate<String> isLeftOut) {
        long bytes = 0;
        for (HeldTopic row : held.values()) {
            FeedFilter filter = row.feed == null ? null : row.feed.filter();
            EventFilter current = filter == null ? null : filter.current();
            if (current != null && !isLeftOut.test(row.topic().name().toString())) {
                bytes += current.bytes();
            }
        }
        return bytes;
    }

    void forEachFeed(Consumer<Feed> task) {
        for (HeldTopic row : held.values()) {
            if (row.feed != null) {
                task.accept(row.feed);
            }
        }
    }

    HeldTopic hold(Topic topic, boolean asSubscriber, @Nullable EventFilter filter, long nextOffset) {
        HeldTopic row = held.get(topic.handle());
        if (row == null) {
            row = new HeldTopic(topic);
            Identity who = client.identity();
            row.mayPublish = who != null && who.rights().mayPublish(topic.name().toString());
            held.put(topic.handle(), row);
        }
        if (asSubscriber ? row.feed != null : row.isOpened) {
            // Asked for twice: the home has counted one too many.
            dispatch.letGo(topic, asSubscriber);
        } else if (asSubscriber) {
            Channel channel = topic.channel();
            Feed feed = new Feed(
                    outbox,
                    topic.handle(),
                    channel.index(),
                    channel.policy().lane(),
                    client.device(),
                    nextOffset,
                    client.has(Feature.LZ4) && !channel.policy().acknowledged());
            feed.filter(feedFilter(filter, nextOffset));
            row.feed = feed;
            if (isAcknowledged(topic)) {
                beginAcknowledged(row, feed);
            }
            dispatch.subscriptions().add(topic.handle(), feed);
        } else {
            row.isOpened = true;
        }
        return row;
    }

    /** Whether what is sent of a topic is to be acknowledged by this client. */
    boolean isAcknowledged(Topic topic) {
        return client.has(Feature.ACK) && topic.channel().policy().acknowledged();
    }

    private void beginAcknowledged(HeldTopic row, Feed feed) {
        Acknowledgements known = acknowledgements;
        if (known == null) {
            known = new Acknowledgements(
                    ground.acknowledgements(),
                    dispatch.metrics(),
                    client.device(),
                    dispatch.shard().clock().nowNs());
            acknowledgements = known;
        }
        known.begin(row, feed);
    }

    /** The client has handled what it was sent of a topic up to and including an offset; one it has let go is none any more. */
    void acknowledge(int handle, long offset) throws ProtocolException {
        if (offset < 0) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "ACK above 2^63 - 1");
        }
        HeldTopic row = held.get(handle);
        if (row != null && acknowledgements != null && row.feed != null) {
            acknowledgements.acknowledge(row.feed, offset);
        }
    }

    /** Sends again what is due and the client has not acknowledged. @param receivedNs when bytes came last. */
    void redeliver(long nowNs, long receivedNs) {
        if (acknowledgements == null) {
            return;
        }
        switch (acknowledgements.onTick(nowNs, receivedNs)) {
            case NOTHING -> {}
            case TURN -> {
                dispatch.flushes().add(outbox);
                dispatch.shard().requestTurn();
            }
            case PROBE -> {
                ByteBuf ping = ground.allocator().buffer(FrameHeader.LENGTH + ClockFrames.PING_BODY_BYTES);
                ClockFrames.writePing(ping, 0, dispatch.shard().clock().nowUs());
                answers.answer(ping);
            }
        }
    }

    @Nullable
    FeedFilter feedFilter(@Nullable EventFilter filter, long nextOffset) {
        return filter == null
                ? null
                : new FeedFilter(filter, nextOffset, dispatch.shard().clock().nowNs());
    }

    /** The switches have changed: what is off now ends at once, and what is on again goes on. */
    void applyService() {
        for (HeldTopic row : held.values()) {
            boolean isOff = gate.isOff(row.topic().channel());
            if (row.isOff != isOff) {
                row.isOff = isOff;
                applyToFeed(row);
            }
        }
    }

    private void applyToFeed(HeldTopic row) {
        Feed feed = row.feed;
        if (feed == null) {
            return;
        }
        if (row.isOff) {
            dispatch.subscriptions().remove(row.topic().handle(), feed);
            outbox.suspend(feed);
        } else {
            dispatch.subscriptions().add(row.topic().handle(), feed);
            // What came meanwhile is read as far as it is kept, and a GAP tells of the rest.
            outbox.fallBehind(feed, feed.nextOffset());
            dispatch.flushes().add(outbox);
            dispatch.shard().requestTurn();
        }
    }

    /** Rights may have shrunk: what is no longer allowed ends, and the client is told unasked. */
    void applyRights(Identity now) {
        List<Integer> lost = new ArrayList<>();
        for (HeldTopic row : held.values()) {
            String name = row.topic().name().toString();
            row.mayPublish = now.rights().mayPublish(name);
            row.publication(null);
            if (row.feed != null && !now.rights().maySubscribe(name)) {
                lost.add(row.topic().handle());
            }
        }
        if (!lost.isEmpty()) {
            letGo(0, lost);
        }
    }

    /** Ends what the session holds on these handles and tells the client which it held. */
    void letGo(int requestId, List<Integer> handles) {
        Unsubscribed.Builder gone = Unsubscribed.newBuilder();
        for (int handle : handles) {
            HeldTopic row = held.remove(handle);
            lastHeld = null;
            if (row != null) {
                letGo(row);
                gone.addHandles(handle);
            }
        }
        answers.answer(ControlCodec.encode(ground.allocator(), FrameType.UNSUBSCRIBED, requestId, gone.build()));
    }

    /** Ends a subscription; the handle stays where the topic is opened too. */
    void unsubscribe(HeldTopic row) {
        endFeed(row);
        row.feed = null;
        if (!row.isOpened) {
            held.remove(row.topic().handle());
            lastHeld = null;
        }
    }

    /** The connection has ended. */
    void letGoAll() {
        for (HeldTopic row : held.values()) {
            letGo(row);
        }
        held.clear();
        lastHeld = null;
    }

    private void letGo(HeldTopic row) {
        endFeed(row);
        if (row.isOpened) {
            dispatch.letGo(row.topic(), false);
        }
    }

    private void endFeed(HeldTopic row) {
        Feed feed = row.feed;
        if (feed != null) {
            dispatch.subscriptions().remove(row.topic().handle(), feed);
            outbox.discard(feed);
            if (acknowledgements != null) {
                acknowledgements.end(feed);
            }
            // What is noted of it is not told any more.
            feed.filter(null);
            dispatch.letGo(row.topic(), true);
        }
    }
}
