package hermod.broker;

import com.google.protobuf.MessageLite;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.Error;
import hermod.protocol.control.wire.Fetch;
import hermod.protocol.control.wire.Join;
import hermod.protocol.control.wire.Join.Mode;
import hermod.protocol.control.wire.Joined;
import hermod.protocol.control.wire.Leave;
import hermod.protocol.control.wire.Left;
import hermod.protocol.control.wire.PositionRange;
import hermod.protocol.control.wire.Settle;
import hermod.protocol.control.wire.Settled;
import hermod.protocol.frame.FetchedFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** A {@link RawClient} that is a member of groups. */
final class GroupClient {
    static final List<String> RIGHTS = List.of("pub:*", "sub:*", "group:*", "limits:service");

    private final RawClient client;
    private int requests = 100;

    GroupClient(BrokerUnderTest broker, String user) throws IOException {
        this(broker, broker.token(user, RIGHTS), Feature.GROUP.bit());
    }

    GroupClient(BrokerUnderTest broker, String token, long features) throws IOException {
        client = broker.socket();
        client.connect(RawClient.hello(token).setFeatures(features).setDeviceId("backend"));
    }

    RawClient raw() {
        return client;
    }

    /** @param lostFrom and {@code lostTo}: 0 for none. */
    record Fetched(List<Item> items, long lostFrom, long lostTo) {
        List<String> texts() {
            return items.stream().map(item -> item.event.text()).toList();
        }

        long position(int index) {
            return items.get(index).position;
        }
    }

    record Item(long position, int attempt, int epoch, String topic, RawClient.Event event) {}

    int send(FrameType type, MessageLite message) throws IOException {
        client.send(type, ++requests, message);
        return requests;
    }

    /** The next frame that is not SERVICE, which must be of this type. */
    byte[] read(FrameType type) throws IOException {
        return RawClient.body(frame(type));
    }

    private ByteBuf frame(FrameType type) throws IOException {
        while (true) {
            ByteBuf frame = client.read();
            int found = FrameHeader.type(frame, 0);
            if (found == type.code()) {
                return frame;
            }
            if (found == FrameType.ERROR.code()) {
                throw new IOException("refused: " + Error.parseFrom(RawClient.body(frame)));
            }
            if (found == FrameType.LEFT.code()) {
                throw new IOException("left: " + Left.parseFrom(RawClient.body(frame)));
            }
            if (found != FrameType.SERVICE.code()) {
                throw new IOException("expected " + type + ", got " + FrameType.ofCode(found));
            }
        }
    }

    static Join.Builder joining(String channel, String group, Mode mode) {
        return Join.newBuilder().setChannel(channel).setGroup(group).setMode(mode);
    }

    Joined join(Join.Builder asked) throws IOException {
        send(FrameType.JOIN, asked.build());
        return Joined.parseFrom(read(FrameType.JOINED));
    }

    /** Joins a shared group of the channel chat that begins now. */
    long share(String group) throws IOException {
        return join(joining("chat", group, Mode.MODE_SHARED)).getMember();
    }

    int sendFetch(long member, int limit, int waitMs) throws IOException {
        return send(
                FrameType.FETCH,
                Fetch.newBuilder()
                        .setMember(member)
                        .setLimit(limit)
                        .setWaitMs(waitMs)
                        .build());
    }

    Fetched fetch(long member, int limit) throws IOException {
        return fetch(member, limit, 10_000);
    }

    Fetched fetch(long member, int limit, int waitMs) throws IOException {
        sendFetch(member, limit, waitMs);
        return fetched();
    }

    /** Fetches until it has so many. */
    List<Item> fetchAll(long member, int count) throws IOException {
        List<Item> all = new ArrayList<>();
        while (all.size() < count) {
            Fetched page = fetch(member, count - all.size());
            if (page.items.isEmpty()) {
                throw new IOException("only " + all.size() + " of " + count + " came");
            }
            all.addAll(page.items);
        }
        return all;
    }

    Fetched fetched() throws IOException {
        ByteBuf in = frame(FrameType.FETCHED);
        try {
            FetchedFrame.check(in, 0);
        } catch (hermod.protocol.ProtocolException bad) {
            throw new IOException(bad);
        }
        FetchedFrame.Head head = FetchedFrame.head(in, 0);
        List<Item> items = new ArrayList<>();
        int at = FetchedFrame.itemsAt(in, 0);
        for (int i = 0; i < head.count(); i++) {
            int eventAt = FetchedFrame.eventAt(in, at);
            items.add(new Item(
                    FetchedFrame.position(in, at),
                    FetchedFrame.attempt(in, at),
                    FetchedFrame.epoch(in, at),
                    FetchedFrame.topic(in, at),
                    new RawClient.Event(in.copy(eventAt, FrameHeader.frameBytes(in, eventAt)))));
            at += FetchedFrame.itemBytes(in, at);
        }
        return new Fetched(items, head.lostFrom(), head.lostTo());
    }

    static PositionRange range(long from, long to) {
        return PositionRange.newBuilder().setFrom(from).setTo(to).build();
    }

    void sendSettle(long member, long from, long to) throws IOException {
        send(
                FrameType.SETTLE,
                Settle.newBuilder()
                        .setMember(member)
                        .addSettled(range(from, to))
                        .build());
    }

    int settle(long member, long from, long to) throws IOException {
        sendSettle(member, from, to);
        return settled();
    }

    int settled() throws IOException {
        return Settled.parseFrom(read(FrameType.SETTLED)).getNewlySettled();
    }

    void release(long member, long from, long to) throws IOException {
        send(
                FrameType.SETTLE,
                Settle.newBuilder()
                        .setMember(member)
                        .addReleased(range(from, to))
                        .build());
        settled();
    }

    Left leave(long member) throws IOException {
        send(FrameType.LEAVE, Leave.newBuilder().setMember(member).build());
        return left();
    }

    Left left() throws IOException {
        while (true) {
            ByteBuf frame = client.read();
            if (FrameHeader.type(frame, 0) == FrameType.LEFT.code()) {
                return Left.parseFrom(RawClient.body(frame));
            }
            if (FrameHeader.type(frame, 0) != FrameType.SERVICE.code()) {
                throw new IOException("expected LEFT, got " + FrameType.ofCode(FrameHeader.type(frame, 0)));
            }
        }
    }

    int refusal(FrameType type, MessageLite message) throws IOException {
        send(type, message);
        return client.readError();
    }
}
