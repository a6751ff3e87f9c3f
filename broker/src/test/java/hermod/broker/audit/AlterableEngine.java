package hermod.broker.audit;

import hermod.broker.engine.Answer;
import hermod.broker.engine.ChannelLog;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EngineStatus;
import hermod.broker.engine.EventBus;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.KeyedState;
import hermod.broker.engine.StoredEntry;
import hermod.broker.engine.memory.MemoryEngine;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * An engine whose stored bytes a test can change, and whose appends fail on demand. It completes appends when the test says so, on the test's thread, or at once while {@link #completesAtOnce}; and reads on the asker's.
 *
 * <p>Appends of all appenders are completed in the order they came in.
 */
public final class AlterableEngine implements Engine, EventLog {
    /** Something appended whose end is not told yet. */
    private record Append(AppenderOf to, long ticket, long stream, List<byte[]> entries) {}

    private final MemoryEngine memory = new MemoryEngine();
    private final Map<String, Opened> opened = new HashMap<>();
    private final Map<Long, TreeMap<Long, byte[]>> streams = new HashMap<>();
    private final ArrayDeque<Append> underWay = new ArrayDeque<>();
    public volatile boolean completesAtOnce;

    /** What every append fails with as soon as it is flushed; null for none. */
    public volatile @Nullable EngineFault failsAtOnce;

    /** Bytes that may be under way. */
    volatile int roomBytes = Integer.MAX_VALUE;

    /** Told for every read from here on, unless null. */
    volatile @Nullable EngineFault readFault;

    @Override
    public boolean isDurable() {
        return true;
    }

    @Override
    public @Nullable EngineFault fault() {
        return failsAtOnce;
    }

    public synchronized TreeMap<Long, byte[]> entries(String stream) {
        return streams.get(opened.get(stream).stream());
    }

    synchronized int underWay() {
        return underWay.size();
    }

    /** Stores the oldest append that is under way, and says so. */
    void storeNext() {
        Append next;
        synchronized (this) {
            next = underWay.remove();
            for (byte[] entry : next.entries) {
                long offset = StoredEntry.offset(Unpooled.wrappedBuffer(entry), 0);
                streams.get(next.stream).putIfAbsent(offset, entry);
            }
        }
        next.to.completion.onStored(true, next.ticket);
    }

    void storeAll() {
        while (underWay() > 0) {
            storeNext();
        }
    }

    /** Says that the oldest append failed. @param isStoredAllTheSame what nobody is told. */
    void failNext(EngineFault fault, boolean isStoredAllTheSame) {
        Append next;
        synchronized (this) {
            next = underWay.remove();
            if (isStoredAllTheSame) {
                for (byte[] entry : next.entries) {
                    long offset = StoredEntry.offset(Unpooled.wrappedBuffer(entry), 0);
                    streams.get(next.stream).putIfAbsent(offset, entry);
                }
            }
        }
        next.to.completion.onFailed(true, next.ticket, fault);
    }

    void failAll(EngineFault fault) {
        while (underWay() > 0) {
            failNext(fault, false);
        }
    }

    private final class AppenderOf implements Appender {
        private final Completion completion;
        private long tickets;

        AppenderOf(Completion completion) {
            this.completion = completion;
        }

        @Override
        public boolean hasRoom(boolean isUrgent, int bytes) {
            synchronized (AlterableEngine.this) {
                int waiting = underWay.stream()
                        .flatMap(each -> each.entries.stream())
                        .mapToInt(each -> each.length)
                        .sum();
                return waiting + bytes <= roomBytes;
            }
        }

        @Override
        public long append(boolean isUrgent, long stream, ByteBuf entries) {
            if (!isUrgent) {
                throw new AssertionError("audit records are urgent");
            }
            if (!hasRoom(true, entries.readableBytes())) {
                throw new IllegalStateException("no room");
            }
            List<byte[]> copies = new ArrayList<>();
            for (int at = entries.readerIndex(); at < entries.writerIndex(); at += StoredEntry.bytes(entries, at)) {
                copies.add(ByteBufUtil.getBytes(entries, at, StoredEntry.bytes(entries, at)));
            }
            synchronized (AlterableEngine.this) {
                underWay.add(new Append(this, ++tickets, stream, copies));
            }
            return tickets;
        }

        @Override
        public long reserve(boolean isUrgent, long stream, long end) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void flush() {
            EngineFault fault = failsAtOnce;
            if (fault != null) {
                failAll(fault);
            } else if (completesAtOnce) {
                storeAll();
            }
        }
    }

    @Override
    public Appender appender(Completion completion) {
        return new AppenderOf(completion);
    }

    @Override
    public void open(String org, String topic, int epoch, Answer<Opened> answer) {
        Opened now;
        synchronized (this) {
            long number = opened.containsKey(topic) ? opened.get(topic).stream() : opened.size() + 1;
            TreeMap<Long, byte[]> entries = streams.computeIfAbsent(number, any -> new TreeMap<>());
            long next = entries.isEmpty() ? 1 : entries.lastKey() + 1;
            long storedAtUs = entries.isEmpty()
                    ? 0
                    : StoredEntry.storedAtUs(
                            Unpooled.wrappedBuffer(entries.lastEntry().getValue()), 0);
            now = new Opened(number, epoch, entries.isEmpty() ? next : entries.firstKey(), next, 0, storedAtUs);
            opened.put(topic, now);
        }
        answer.onDone(now);
    }

    @Override
    public void read(Order order, Answer<Page> answer) {
        if (readFault != null) {
            answer.onFault(readFault);
            return;
        }
        ByteBuf out = Unpooled.buffer();
        int count = 0;
        boolean isEnd = true;
        synchronized (this) {
            TreeMap<Long, byte[]> all = streams.get(order.stream());
            var wanted = order.isBackwards()
                    ? all.headMap(order.from(), true).descendingMap()
                    : all.tailMap(order.from(), true);
            for (byte[] entry : wanted.values()) {
                if (count == order.countMax() || (count > 0 && out.readableBytes() + entry.length > order.bytesMax())) {
                    isEnd = false;
                    break;
                }
                out.writeBytes(entry);
                count++;
            }
        }
        answer.onDone(new Page(ByteBufUtil.getBytes(out), count, 1, isEnd));
    }

    @Override
    public void find(String org, String topic, Answer<@Nullable Opened> answer) {
        memory.events().find(org, topic, answer);
    }

    @Override
    public void recall(long stream, long producer, long author, Answer<Recalled> answer) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void offsetAt(long stream, long storedAtUs, Answer<Long> answer) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void lastOfKeys(long stream, byte[] afterKey, int countMax, int bytesMax, Answer<Page> answer) {
        throw new UnsupportedOperationException();
    }

    @Override
    public EventLog events() {
        return this;
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
        return EventBus.ALONE;
    }

    @Override
    public EngineStatus status() {
        return EngineStatus.fine();
    }

    @Override
    public void close() {
        memory.close();
    }
}
