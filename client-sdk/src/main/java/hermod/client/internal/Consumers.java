package hermod.client.internal;

import hermod.client.ChannelHandler;
import hermod.client.ConsumeOptions;
import hermod.client.HermodException;
import hermod.protocol.CloseCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Left;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FetchedFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/** The client's memberships in groups of channels. They outlive connections. Loop thread only, but for {@link #make}. */
final class Consumers {
    private static final Pattern GROUP = Pattern.compile("[a-zA-Z0-9._-]{1,64}");

    private final Session session;
    private final Completions completions;
    private final ListenerFaults faults;
    private final long requestTimeoutNs;
    private final List<GroupConsumer> all = new ArrayList<>();

    Consumers(Session session, Completions completions, ListenerFaults faults, long requestTimeoutNs) {
        this.session = session;
        this.completions = completions;
        this.faults = faults;
        this.requestTimeoutNs = requestTimeoutNs;
    }

    /** Any thread. @throws IllegalArgumentException for a bad name. */
    GroupConsumer make(
            String channel, String group, boolean isObserver, ConsumeOptions options, ChannelHandler handler) {
        if (channel.isEmpty() || channel.indexOf(':') >= 0) {
            throw new IllegalArgumentException(
                    "a channel's name is what is before the colon of its topics: channel=" + channel);
        }
        if (!GROUP.matcher(group).matches()) {
            throw new IllegalArgumentException(
                    "a group's name has 1 to 64 of a-z, A-Z, 0-9, '.', '_', '-': group=" + group);
        }
        GroupConsumer.Place place = new GroupConsumer.Place(channel, group, isObserver);
        return new GroupConsumer(session, completions, faults, requestTimeoutNs, place, options, handler);
    }

    void add(GroupConsumer consumer) {
        all.add(consumer);
    }

    boolean isEmpty() {
        return all.isEmpty();
    }

    /** Sends what is due; the caller flushes. */
    void send(Connection to, long nowNs) {
        all.forEach(each -> each.send(to, nowNs));
        removeEnded();
    }

    private void removeEnded() {
        all.removeIf(GroupConsumer::isEnded);
    }

    /** JOINED, FETCHED, SETTLED or LEFT. */
    void onFrame(Connection from, FrameType type, ByteBuf in, int at) throws ProtocolException {
        if (!from.has(Feature.GROUP)) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "frame was not agreed: type=" + type);
        }
        if (type == FrameType.FETCHED) {
            FetchedFrame.check(in, at);
            int end = at + FrameHeader.frameBytes(in, at);
            for (int next = FetchedFrame.itemsAt(in, at); next < end; next += FetchedFrame.itemBytes(in, next)) {
                FrameRouter.checkFields(in, EventFrame.entryAt(in, FetchedFrame.eventAt(in, next)));
            }
        }
        int requestId = FrameHeader.requestId(in, at);
        if (Requests.isControlId(requestId)) {
            from.requests().onAnswer(type, requestId, in, at);
        } else if (type == FrameType.LEFT) {
            Left left = ControlCodec.decode(Left.parser(), in, at);
            all.forEach(each -> each.onLeft(left));
        }
        removeEnded();
    }

    /** Something is on again. */
    void onService() {
        all.forEach(GroupConsumer::onService);
    }

    void onDisconnected() {
        all.forEach(GroupConsumer::onDisconnected);
        removeEnded();
    }

    /** The client is being closed. */
    void leaveAll() {
        all.forEach(GroupConsumer::onLeave);
        removeEnded();
    }

    void onClosed(HermodException why) {
        all.forEach(each -> each.end(why));
        all.clear();
    }
}
