package hermod.client.internal;

import hermod.client.HermodException;
import hermod.protocol.ProtocolException;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.util.collection.IntObjectHashMap;
import io.netty.util.collection.IntObjectMap;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The control requests of one connection that wait for their answers. Their ids have the top bit set, those of publishes do not, so that an ERROR finds its
 * request. Bounded: a topic and a token refresh have one request each at a time, and events for later as many as the application asks for. Loop thread only.
 */
final class Requests {
    private static final int CONTROL_BIT = 0x8000_0000;

    /** What becomes of a request; one of the two is called, once. */
    interface Answer {
        /**
         * @param in borrowed, with the answer's frame at {@code at}.
         * @throws ProtocolException where the answer does not fit the question.
         */
        void onAnswer(ByteBuf in, int at) throws ProtocolException;

        /** An ERROR frame, or no answer in time. Not called when the connection is lost. */
        void onFailure(HermodException why);
    }

    private record Pending(FrameType answerType, long deadlineNs, Answer answer) {}

    private final IntObjectMap<Pending> byId = new IntObjectHashMap<>();
    private final long timeoutNs;
    private int count;

    Requests(long timeoutNs) {
        this.timeoutNs = timeoutNs;
    }

    /** An id for a frame whose answer is not awaited here. */
    int nextId() {
        return CONTROL_BIT | ++count;
    }

    /** @return the id to send the request with. */
    int add(FrameType answerType, long nowNs, Answer answer) {
        int id = nextId();
        byId.put(id, new Pending(answerType, nowNs + timeoutNs, answer));
        return id;
    }

    static boolean isControlId(int id) {
        return (id & CONTROL_BIT) != 0;
    }

    /** Its answer is not awaited any more. */
    void forget(int id) {
        byId.remove(id);
    }

    /** An answer that nobody asked for is skipped. */
    void onAnswer(FrameType type, int id, ByteBuf in, int at) throws ProtocolException {
        Pending pending = byId.get(id);
        if (pending != null && pending.answerType == type) {
            byId.remove(id);
            pending.answer.onAnswer(in, at);
        }
    }

    /** @return whether the id was one that waits. */
    boolean onError(int id, HermodException why) {
        Pending pending = byId.remove(id);
        if (pending != null) {
            pending.answer.onFailure(why);
        }
        return pending != null;
    }

    /**
     * Fails what has waited too long.
     *
     * @return the answer type of one of them, or null if there was none. The connection is then out of step and to be replaced.
     */
    @Nullable
    FrameType expire(long nowNs) {
        if (byId.isEmpty()) {
            return null;
        }
        List<Integer> late = new ArrayList<>();
        for (IntObjectMap.PrimitiveEntry<Pending> entry : byId.entries()) {
            if (nowNs - entry.value().deadlineNs >= 0) {
                late.add(entry.key());
            }
        }
        FrameType type = null;
        for (int id : late) {
            Pending pending = byId.remove(id);
            type = pending.answerType;
            pending.answer.onFailure(new HermodException(HermodException.TIMED_OUT, "the broker did not send " + type));
        }
        return type;
    }

    /** The connection is gone, and all answers with it. */
    void clear() {
        byId.clear();
    }
}
