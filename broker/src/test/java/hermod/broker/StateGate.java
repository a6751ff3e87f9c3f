package hermod.broker;

import hermod.broker.engine.Answer;
import hermod.broker.engine.ChannelLog;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EngineStatus;
import hermod.broker.engine.EventBus;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.KeyedState;
import hermod.broker.engine.memory.MemoryEngine;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** An engine in memory whose answers to changes of small state a test holds back, or turns into faults; and which outlives the brokers that close it. */
final class StateGate implements Engine, KeyedState {
    private final MemoryEngine memory = new MemoryEngine();
    private final List<Runnable> held = new ArrayList<>();
    private boolean isHolding;
    private boolean isStoredThough;
    private @Nullable EngineFault fault;
    private @Nullable Defect stumbling;

    /** Changes are made from now on, and nobody is told until {@link #release}. */
    synchronized void hold() {
        isHolding = true;
    }

    synchronized int heldCount() {
        return held.size();
    }

    void release() {
        List<Runnable> now;
        synchronized (this) {
            isHolding = false;
            now = List.copyOf(held);
            held.clear();
        }
        now.forEach(Runnable::run);
    }

    /** Changes fail from now on; null ends it. @param isStoredThough whether they are made nevertheless. */
    synchronized void fail(@Nullable EngineFault with, boolean isStoredThough) {
        fault = with;
        this.isStoredThough = isStoredThough;
    }

    /** How a defect of an engine shows itself. */
    enum Defect {
        THROWS,
        ANSWERS_WITH_NOTHING
    }

    /** The next change of a group is not made: there is a defect. */
    synchronized void stumble(Defect defect) {
        stumbling = defect;
    }

    private synchronized @Nullable Defect takeDefect(String space) {
        Defect defect = space.equals("group") ? stumbling : null;
        stumbling = defect == null ? stumbling : null;
        return defect;
    }

    MemoryEngine memory() {
        return memory;
    }

    private synchronized void tell(Runnable answer) {
        if (isHolding) {
            held.add(answer);
        } else {
            answer.run();
        }
    }

    @Override
    public void get(String space, byte[] key, Answer<@Nullable Value> answer) {
        memory.state().get(space, key, answer);
    }

    @Override
    public void put(
            String space,
            byte[] key,
            long expectedVersion,
            byte @Nullable [] value,
            long expiresAtUs,
            Answer<Outcome> answer) {
        Defect defect = takeDefect(space);
        if (defect == Defect.THROWS) {
            throw new IllegalStateException("a defect that a test wants");
        }
        if (defect == Defect.ANSWERS_WITH_NOTHING) {
            answer.onDone(null);
            return;
        }
        EngineFault failing;
        boolean isStored;
        synchronized (this) {
            failing = fault;
            isStored = failing == null || isStoredThough;
        }
        if (!isStored) {
            answer.onFault(failing);
            return;
        }
        memory.state().put(space, key, expectedVersion, value, expiresAtUs, new Answer<>() {
            @Override
            public void onDone(Outcome result) {
                tell(() -> {
                    if (failing == null) {
                        answer.onDone(result);
                    } else {
                        answer.onFault(failing);
                    }
                });
            }

            @Override
            public void onFault(EngineFault closed) {
                answer.onFault(closed);
            }
        });
    }

    @Override
    public void scan(String space, byte[] from, byte @Nullable [] end, int countMax, Answer<List<Value>> answer) {
        memory.state().scan(space, from, end, countMax, answer);
    }

    @Override
    public EventLog events() {
        return memory.events();
    }

    @Override
    public ChannelLog channels() {
        return memory.channels();
    }

    @Override
    public KeyedState state() {
        return this;
    }

    @Override
    public EventBus bus() {
        return memory.bus();
    }

    @Override
    public boolean isDurable() {
        return true;
    }

    @Override
    public @Nullable EngineFault fault() {
        return null;
    }

    @Override
    public EngineStatus status() {
        return memory.status();
    }

    void end() {
        memory.close();
    }

    /** The test ends it. */
    @Override
    public void close() {}
}
