package hermod.broker.engine;

import hermod.broker.engine.memory.MemoryEngine;
import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/** An engine in memory whose disk a test stops, fails and frees; and which outlives the brokers that close it. */
public final class GatedEngine implements Engine {
    private final MemoryEngine memory = new MemoryEngine();
    private final List<Runnable> held = new ArrayList<>();
    private boolean isHolding;
    private @Nullable EngineFault failing;
    private volatile @Nullable EngineFault refusing;
    private volatile LongConsumer onAppend = stream -> {};

    /** What is appended from now on is stored, and nobody is told, until {@link #release}. */
    public synchronized void hold() {
        isHolding = true;
    }

    /** Tells what was held back, and holds no more. */
    public void release() {
        List<Runnable> now;
        synchronized (this) {
            isHolding = false;
            now = List.copyOf(held);
            held.clear();
        }
        now.forEach(Runnable::run);
    }

    /** Completions that are held. */
    public synchronized int heldCount() {
        return held.size();
    }

    /** What is appended from now on fails and is not stored; null ends it. */
    public synchronized void fail(@Nullable EngineFault fault) {
        failing = fault;
    }

    /** There is no room from now on, for this reason; null ends it. */
    public void refuse(@Nullable EngineFault fault) {
        refusing = fault;
    }

    /** Called with the stream's number before anything is appended, on the thread that appends. */
    public void onAppend(LongConsumer watcher) {
        onAppend = watcher;
    }

    public void end() {
        memory.close();
    }

    @Override
    public EventLog events() {
        return new GatedLog(memory.events());
    }

    @Override
    public ChannelLog channels() {
        return memory.channels();
    }

    @Override
    public KeyedState state() {
        return memory.state();
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
        return refusing;
    }

    @Override
    public EngineStatus status() {
        return memory.status();
    }

    /** The test ends it. */
    @Override
    public void close() {}

    private synchronized void tell(Runnable completion) {
        if (isHolding) {
            held.add(completion);
        } else {
            completion.run();
        }
    }

    private synchronized @Nullable EngineFault failing() {
        return failing;
    }

    private final class GatedLog implements EventLog {
        private final EventLog log;

        GatedLog(EventLog log) {
            this.log = log;
        }

        @Override
        public Appender appender(Completion completion) {
            return new GatedAppender(completion);
        }

        /** Gives tickets of its own, since what fails never reaches the log. */
        private final class GatedAppender implements Appender, Completion {
            private final Completion completion;
            private final Appender appender;
            private final long[] tickets = new long[2];
            private final List<List<Long>> inner = List.of(new ArrayList<>(), new ArrayList<>());

            GatedAppender(Completion completion) {
                this.completion = completion;
                appender = log.appender(this);
            }

            @Override
            public boolean hasRoom(boolean isUrgent, int bytes) {
                return refusing == null && appender.hasRoom(isUrgent, bytes);
            }

            @Override
            public long append(boolean isUrgent, long stream, ByteBuf entries) {
                onAppend.accept(stream);
                return pass(isUrgent, () -> appender.append(isUrgent, stream, entries));
            }

            @Override
            public long reserve(boolean isUrgent, long stream, long end) {
                return pass(isUrgent, () -> appender.reserve(isUrgent, stream, end));
            }

            private long pass(boolean isUrgent, Runnable change) {
                long ticket = ++tickets[isUrgent ? 1 : 0];
                EngineFault fault = failing();
                if (fault != null) {
                    tell(() -> completion.onFailed(isUrgent, ticket, fault));
                } else {
                    synchronized (inner) {
                        inner.get(isUrgent ? 1 : 0).add(ticket);
                    }
                    change.run();
                }
                return ticket;
            }

            @Override
            public void flush() {
                appender.flush();
            }

            @Override
            public void onStored(boolean isUrgent, long innerTicket) {
                long ticket;
                synchronized (inner) {
                    ticket = inner.get(isUrgent ? 1 : 0).get((int) innerTicket - 1);
                }
                tell(() -> completion.onStored(isUrgent, ticket));
            }

            @Override
            public void onFailed(boolean isUrgent, long ticket, EngineFault fault) {
                completion.onFailed(isUrgent, tickets[isUrgent ? 1 : 0], fault);
            }
        }

        @Override
        public void open(String org, String topic, int epoch, Answer<Opened> answer) {
            log.open(org, topic, epoch, answer);
        }

        @Override
        public void find(String org, String topic, Answer<@Nullable Opened> answer) {
            log.find(org, topic, answer);
        }

        @Override
        public void recall(long stream, long producer, long author, Answer<Recalled> answer) {
            log.recall(stream, producer, author, answer);
        }

        @Override
        public void read(Order order, Answer<Page> answer) {
            log.read(order, answer);
        }

        @Override
        public void offsetAt(long stream, long storedAtUs, Answer<Long> answer) {
            log.offsetAt(stream, storedAtUs, answer);
        }

        @Override
        public void lastOfKeys(long stream, byte[] afterKey, int countMax, int bytesMax, Answer<Page> answer) {
            log.lastOfKeys(stream, afterKey, countMax, bytesMax, answer);
        }
    }
}
