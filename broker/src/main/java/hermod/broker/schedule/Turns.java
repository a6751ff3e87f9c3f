package hermod.broker.schedule;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;

/** What is done with one scheduled event is done one after the other, so a cancel and a publish of the same event never cross. The scheduler's thread's; what waits is as much as requests and events under way may be. */
final class Turns {
    private final Map<ByteBuffer, ArrayDeque<Runnable>> turns = new HashMap<>();

    /** Does something with one event when all before it has called {@link #endTurn}. */
    void inTurn(byte[] key, Runnable work) {
        ArrayDeque<Runnable> waiting = turns.get(ByteBuffer.wrap(key));
        if (waiting == null) {
            turns.put(ByteBuffer.wrap(key), new ArrayDeque<>(0));
            work.run();
        } else {
            waiting.addLast(work);
        }
    }

    void endTurn(byte[] key) {
        ArrayDeque<Runnable> waiting = turns.get(ByteBuffer.wrap(key));
        if (waiting == null) {
            throw new IllegalStateException("the end of a turn that nobody had");
        }
        if (waiting.isEmpty()) {
            turns.remove(ByteBuffer.wrap(key));
        } else {
            waiting.removeFirst().run();
        }
    }
}
