package hermod.broker.audit;

import hermod.broker.engine.StoredEntry;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import org.jspecify.annotations.Nullable;

/** Records of several chains, the newest first; reads on as it is asked, a page of each chain at a time. Used by one thread. */
public final class NewestFirst {
    /** Of each chain, in memory. */
    private static final int PAGE_ENTRIES = 64;

    private static final Comparator<Tail> BY_TIME = Comparator.comparingLong(
                    (Tail tail) -> tail.newest().timeUs())
            .reversed()
            .thenComparing(tail -> tail.stream.name());

    private final AuditSource source;
    private final PriorityQueue<Tail> tails = new PriorityQueue<>(BY_TIME);
    private final List<String> damaged = new ArrayList<>();

    /** @throws IOException as {@link AuditSource#read}. */
    public NewestFirst(AuditSource source, List<AuditStream> streams) throws IOException {
        this.source = source;
        for (AuditStream stream : streams) {
            Tail tail = new Tail(stream);
            if (tail.fill()) {
                tails.add(tail);
            }
        }
    }

    /** Null behind the last one. @throws IOException as {@link AuditSource#read}. */
    public @Nullable AuditRecord next() throws IOException {
        Tail tail = tails.poll();
        if (tail == null) {
            return null;
        }
        AuditRecord newest = tail.newest();
        tail.records.removeFirst();
        if (tail.fill()) {
            tails.add(tail);
        }
        return newest;
    }

    /** Names of streams that could not be read to their start. */
    public List<String> damaged() {
        return Collections.unmodifiableList(damaged);
    }

    /** A chain read backwards. */
    private final class Tail {
        private final AuditStream stream;
        private final ArrayDeque<AuditRecord> records = new ArrayDeque<>();
        private long before = Long.MAX_VALUE;
        private boolean isEnd;

        Tail(AuditStream stream) {
            this.stream = stream;
        }

        AuditRecord newest() {
            return records.getFirst();
        }

        /** @return whether there is a record. */
        boolean fill() throws IOException {
            if (!records.isEmpty() || isEnd) {
                return !records.isEmpty();
            }
            AuditSource.Page page = source.read(stream, before, true, PAGE_ENTRIES);
            ByteBuf in = Unpooled.wrappedBuffer(page.entries());
            int at = 0;
            while (at < in.writerIndex() && RecordLayout.isEntry(in, at)) {
                records.add(AuditRecord.read(stream.name(), in, at));
                at += StoredEntry.bytes(in, at);
            }
            if (page.isDamaged() || at < in.writerIndex()) {
                damaged.add(stream.name());
            }
            isEnd = page.isEnd() || page.isDamaged() || at < in.writerIndex() || records.isEmpty();
            if (!records.isEmpty()) {
                long oldest = records.getLast().sequence();
                // What was moved could lead round in a circle.
                isEnd |= oldest <= 1 || oldest > before;
                before = oldest - 1;
            }
            return !records.isEmpty();
        }
    }
}
