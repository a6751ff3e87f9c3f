package hermod.broker.group;

import com.google.protobuf.MessageLite;
import hermod.broker.session.Companion;
import hermod.broker.session.Session;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.Channel;
import hermod.protocol.ErrorCode;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Joined;
import hermod.protocol.control.wire.Left;
import hermod.protocol.control.wire.Settled;
import hermod.protocol.frame.FetchedFrame;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.RejectedExecutionException;
import org.jspecify.annotations.Nullable;

/** The memberships of one session. Its shard's, but for what the groups' thread answers, which finds its way to the shard. */
@RunsOn(Owner.SHARD)
final class Memberships implements Companion {
    private final Session session;
    private final Groups groups;
    private final Map<Long, Member> members = new HashMap<>(2);

    /** Requests without their answers, and ends without their LEFT. */
    private int underWay;

    private Memberships(Session session, Groups groups) {
        this.session = session;
        this.groups = groups;
    }

    /** The session's, made with its first JOIN. */
    static Memberships of(Session session, Groups groups) {
        if (session.companion() instanceof Memberships there) {
            return there;
        }
        Memberships made = new Memberships(session, groups);
        session.companion(made);
        return made;
    }

    int count() {
        return members.size();
    }

    void add(Member member) {
        members.put(member.number, member);
    }

    /** @return null for a number that is not, or no longer, this connection's. */
    @Nullable
    Member find(long number) {
        Member member = members.get(number);
        return member == null || !member.isJoined || member.isEnding ? null : member;
    }

    /** A request goes on its way to the groups' thread. */
    void onRequest() {
        underWay++;
    }

    // ---- what becomes of the session

    @Override
    public void onEnd() {
        for (Member member : members.values()) {
            // Told where it was a goodbye that waits for its outcomes.
            groups.expel(member, Left.Reason.REASON_ASKED, "");
        }
        members.clear();
    }

    @Override
    public void onRights() {
        for (Member member : members.values()) {
            if (member.isJoined) {
                endUnlessAllowed(member);
            }
        }
    }

    @Override
    public void onDrain() {
        for (Member member : members.values()) {
            end(member, Left.Reason.REASON_NOT_ENABLED, "the broker is stopping");
        }
    }

    @Override
    public boolean isBusy() {
        return underWay > 0;
    }

    private void endUnlessAllowed(Member member) {
        String name = member.key.channel();
        Channel channel = session.ground().channels().of(name);
        if (!session.mayJoin(name)) {
            end(
                    member,
                    Left.Reason.REASON_FORBIDDEN,
                    "the token gives no right to the channel '" + name + "' any more");
        } else if (channel != null && session.isOff(channel)) {
            end(member, Left.Reason.REASON_NOT_ENABLED, "the channel '" + name + "' is switched off");
        }
    }

    private void end(Member member, Left.Reason reason, String sentence) {
        if (!member.isEnding) {
            member.isEnding = true;
            groups.expel(member, reason, sentence);
            expectLeft(member);
        }
    }

    /** Who has joined and is ending is told LEFT, once. */
    private void expectLeft(Member member) {
        if (member.isJoined && member.isEnding) {
            underWay++;
        }
    }

    // ---- what the groups' thread answers

    private void execute(Runnable task) {
        try {
            session.dispatch().shard().execute(task);
        } catch (RejectedExecutionException stopping) {
            // The shard is gone, and all its sessions with it.
        }
    }

    private void answer(FrameType type, int requestId, MessageLite message) {
        if (!session.isClosed()) {
            session.answer(ControlCodec.encode(session.ground().allocator(), type, requestId, message));
        }
    }

    /** Any thread. */
    void refuse(int requestId, ErrorCode code, String sentence) {
        execute(() -> {
            underWay--;
            if (!session.isClosed()) {
                session.error(requestId, code, sentence);
            }
        });
    }

    /** Any thread. */
    void refuseJoin(Member member, int requestId, ErrorCode code, String sentence) {
        execute(() -> {
            members.remove(member.number);
            underWay--;
            if (!session.isClosed()) {
                session.error(requestId, code, sentence);
            }
        });
    }

    /** Any thread. */
    void joined(Member member, int requestId, Joined message) {
        execute(() -> {
            underWay--;
            answer(FrameType.JOINED, requestId, message);
            member.isJoined = true;
            expectLeft(member);
            if (!session.isClosed()) {
                // A REFRESH or an operator may have taken the right away meanwhile.
                endUnlessAllowed(member);
            }
        });
    }

    /** Any thread. @param frame given; on the heap. */
    void fetched(Member member, int requestId, ByteBuf frame) {
        execute(() -> {
            underWay--;
            if (session.isClosed()) {
                return;
            }
            // What a member may not have any more goes to others: it is told LEFT next.
            session.answer(member.isEnding ? nothing(requestId) : frame);
        });
    }

    private static ByteBuf nothing(int requestId) {
        ByteBuf frame = Unpooled.buffer(FetchedFrame.ITEMS_AT);
        FetchedFrame.writeHead(frame, requestId, new FetchedFrame.Head(0, 0, 0), 0);
        return frame;
    }

    /** Any thread. */
    void settled(int requestId, int count) {
        execute(() -> {
            underWay--;
            answer(
                    FrameType.SETTLED,
                    requestId,
                    Settled.newBuilder().setNewlySettled(count).build());
        });
    }

    /** Any thread. @param requestId of the LEAVE that asked for it; null for none. */
    void left(Member member, @Nullable Integer requestId, Left.Reason reason, String sentence) {
        execute(() -> {
            underWay -= (requestId == null ? 0 : 1) + (member.isEnding ? 1 : 0);
            members.remove(member.number);
            answer(
                    FrameType.LEFT,
                    requestId == null ? 0 : requestId,
                    Left.newBuilder()
                            .setMember(member.number)
                            .setReason(reason)
                            .setMessage(sentence)
                            .build());
        });
    }
}
