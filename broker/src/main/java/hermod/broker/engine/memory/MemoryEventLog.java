package hermod.broker.engine.memory;

import hermod.broker.engine.Answer;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.StoredEntry;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Streams as sorted maps, all the engine's thread's. */
final class MemoryEventLog implements EventLog {
    private static final int WAITING_BYTES_MAX = 16 * 1024 * 1024;
    private static final int RECALLED_COUNT_MAX = 1_024;

    private record Name(String org, String topic) {}

    private static final class Stream {
        final Name name;
        final Opened first;
        final NavigableMap<Long, byte[]> entries = new TreeMap<>();
        final NavigableMap<byte[], byte[]> byKey = new TreeMap<>(Arrays::compareUnsigned);
        long reservedEnd;
        long firstKept = 1;

        Stream(Name name, long number, int epoch) {
            this.name = name;
            first = new Opened(number, epoch, 1, 1, 0, 0);
        }

        Opened opened() {
            if (entries.isEmpty()) {
                long next = Math.max(1, reservedEnd);
                return new Opened(first.stream(), first.epoch(), Math.min(firstKept, next), next, 0, 0);
            }
            ByteBuf last = Unpooled.wrappedBuffer(entries.lastEntry().getValue());
            return new Opened(
                    first.stream(),
                    first.epoch(),
                    firstKept,
                    Math.max(entries.lastKey() + 1, reservedEnd),
                    StoredEntry.ordinal(last, 0),
                    StoredEntry.storedAtUs(last, 0));
        }

        void add(byte[] entry) {
            ByteBuf in = Unpooled.wrappedBuffer(entry);
            if (entries.putIfAbsent(StoredEntry.offset(in, 0), entry) != null || StoredEntry.keyBytes(in, 0) == 0) {
                return;
            }
            byte[] key = ByteBufUtil.getBytes(in, StoredEntry.keyAt(0), StoredEntry.keyBytes(in, 0));
            // tombstones too: an older entry may come late
            byKey.merge(key, entry, (known, added) -> offset(known) > offset(added) ? known : added);
        }

        List<byte[]> lastOfKeysAfter(byte[] key) {
            return byKey.tailMap(key, key.length == 0).values().stream()
                    .filter(entry ->
                            (StoredEntry.flags(Unpooled.wrappedBuffer(entry), 0) & StoredEntry.FLAG_TOMBSTONE) == 0)
                    .toList();
        }

        private static long offset(byte[] entry) {
            return StoredEntry.offset(Unpooled.wrappedBuffer(entry), 0);
        }
    }

    private final Executor thread;
    private final Map<Name, Stream> byName = new HashMap<>();
    private final Map<Long, Stream> byNumber = new HashMap<>();
    private final MemoryChannelLog channels;

    MemoryEventLog(Executor thread) {
        this.thread = thread;
        channels = new MemoryChannelLog(thread, new MemoryChannelLog.Entries() {
            @Override
            public String topic(long stream) {
                return of(stream).name.topic();
            }

            @Override
            public int epoch(long stream) {
                return of(stream).first.epoch();
            }

            @Override
            public byte @Nullable [] entry(long stream, long offset) {
                return of(stream).entries.get(offset);
            }
        });
    }

    MemoryChannelLog channels() {
        return channels;
    }

    /** Removes what is below an offset, as retention would. */
    void removeBelow(String org, String topic, long offset, Runnable onDone) {
        thread.execute(() -> {
            Stream stream = byName.get(new Name(org, topic));
            if (stream != null) {
                stream.entries.headMap(offset, false).clear();
                stream.firstKept = Math.max(stream.firstKept, offset);
            }
            onDone.run();
        });
    }

    @Override
    public Appender appender(Completion completion) {
        return new MemoryAppender(completion);
    }

    /** A shard's; what waits for {@link #flush} is its own. */
    private final class MemoryAppender implements Appender {
        private final Completion completion;
        private final ArrayDeque<Runnable> unflushed = new ArrayDeque<>();
        private final long[] tickets = new long[2];
        private int unflushedBytes;

        MemoryAppender(Completion completion) {
            this.completion = completion;
        }

        @Override
        public boolean hasRoom(boolean isUrgent, int bytes) {
            return bytes <= WAITING_BYTES_MAX - unflushedBytes;
        }

        @Override
        public long append(boolean isUrgent, long stream, ByteBuf entries) {
            if (!hasRoom(isUrgent, entries.readableBytes())) {
                throw new IllegalStateException("no room for " + entries.readableBytes() + " bytes");
            }
            List<byte[]> copies = new ArrayList<>();
            int at = entries.readerIndex();
            while (at < entries.writerIndex()) {
                copies.add(ByteBufUtil.getBytes(entries, at, StoredEntry.bytes(entries, at)));
                at += StoredEntry.bytes(entries, at);
            }
            unflushedBytes += entries.readableBytes();
            return enqueue(isUrgent, () -> copies.forEach(entry -> add(of(stream), entry)));
        }

        @Override
        public long reserve(boolean isUrgent, long stream, long end) {
            return enqueue(isUrgent, () -> of(stream).reservedEnd = Math.max(of(stream).reservedEnd, end));
        }

        private long enqueue(boolean isUrgent, Runnable change) {
            long ticket = ++tickets[isUrgent ? 1 : 0];
            unflushed.add(() -> {
                change.run();
                completion.onStored(isUrgent, ticket);
                channels.tellGrown();
            });
            return ticket;
        }

        private void add(Stream stream, byte[] entry) {
            stream.add(entry);
            channels.onEntry(stream.name.org(), stream.name.topic(), stream.first.stream(), Stream.offset(entry));
        }

        @Override
        public void flush() {
            unflushedBytes = 0;
            Runnable next;
            while ((next = unflushed.poll()) != null) {
                try {
                    thread.execute(next);
                } catch (RejectedExecutionException closed) {
                    completion.onFailed(false, tickets[0], EngineFault.CLOSED);
                    completion.onFailed(true, tickets[1], EngineFault.CLOSED);
                    unflushed.clear();
                }
            }
        }
    }

    private Stream of(long number) {
        Stream stream = byNumber.get(number);
        if (stream == null) {
            throw new IllegalArgumentException("no such stream: " + number);
        }
        return stream;
    }

    private <T extends @Nullable Object> void ask(Answer<T> answer, Supplier<T> work) {
        try {
            thread.execute(() -> answer.onDone(work.get()));
        } catch (RejectedExecutionException closed) {
            answer.onFault(EngineFault.CLOSED);
        }
    }

    @Override
    public void open(String org, String topic, int epoch, Answer<Opened> answer) {
        ask(
                answer,
                () -> byName.computeIfAbsent(new Name(org, topic), name -> {
                            Stream made = new Stream(name, byName.size() + 1L, epoch);
                            byNumber.put(made.first.stream(), made);
                            return made;
                        })
                        .opened());
    }

    @Override
    public void find(String org, String topic, Answer<@Nullable Opened> answer) {
        ask(answer, () -> {
            Stream found = byName.get(new Name(org, topic));
            return found == null ? null : found.opened();
        });
    }

    @Override
    public void recall(long stream, long producer, long author, Answer<Recalled> answer) {
        ask(answer, () -> recall(of(stream), producer, author));
    }

    private static Recalled recall(Stream stream, long producer, long author) {
        NavigableMap<Long, Long> offsets = new TreeMap<>();
        long authorOrdinal = 0;
        for (byte[] entry : stream.entries.values()) {
            ByteBuf in = Unpooled.wrappedBuffer(entry);
            if (producer != 0 && StoredEntry.producer(in, 0) == producer && StoredEntry.sequence(in, 0) != 0) {
                offsets.put(StoredEntry.sequence(in, 0), StoredEntry.offset(in, 0));
            }
            if (StoredEntry.author(in, 0) == author && StoredEntry.isCountable(in, 0)) {
                authorOrdinal = Math.max(authorOrdinal, StoredEntry.authorOrdinal(in, 0));
            }
        }
        while (offsets.size() > RECALLED_COUNT_MAX) {
            offsets.pollFirstEntry();
        }
        return new Recalled(
                offsets.keySet().stream().mapToLong(Long::longValue).toArray(),
                offsets.values().stream().mapToLong(Long::longValue).toArray(),
                authorOrdinal);
    }

    @Override
    public void read(Order order, Answer<Page> answer) {
        ask(answer, () -> {
            Stream stream = of(order.stream());
            NavigableMap<Long, byte[]> wanted = order.isBackwards()
                    ? stream.entries
                            .subMap(order.end(), true, Math.max(order.from(), order.end()), true)
                            .descendingMap()
                    : stream.entries.subMap(order.from(), true, Math.max(order.from(), order.end()), false);
            return page(
                    wanted.values(),
                    order.countMax(),
                    order.bytesMax(),
                    stream.opened().firstOffset());
        });
    }

    private static Page page(Iterable<byte[]> wanted, int countMax, int bytesMax, long firstOffset) {
        ByteBuf out = Unpooled.buffer();
        int count = 0;
        for (byte[] entry : wanted) {
            if (count == countMax || (count > 0 && out.readableBytes() + entry.length > bytesMax)) {
                return new Page(ByteBufUtil.getBytes(out), count, firstOffset, false);
            }
            out.writeBytes(entry);
            count++;
        }
        return new Page(ByteBufUtil.getBytes(out), count, firstOffset, true);
    }

    @Override
    public void offsetAt(long stream, long storedAtUs, Answer<Long> answer) {
        ask(answer, () -> {
            for (Map.Entry<Long, byte[]> each : of(stream).entries.entrySet()) {
                if (StoredEntry.storedAtUs(Unpooled.wrappedBuffer(each.getValue()), 0) >= storedAtUs) {
                    return each.getKey();
                }
            }
            return of(stream).entries.isEmpty() ? 1L : of(stream).entries.lastKey() + 1;
        });
    }

    @Override
    public void lastOfKeys(long stream, byte[] afterKey, int countMax, int bytesMax, Answer<Page> answer) {
        ask(
                answer,
                () -> page(
                        of(stream).lastOfKeysAfter(afterKey),
                        countMax,
                        bytesMax,
                        of(stream).opened().firstOffset()));
    }
}
