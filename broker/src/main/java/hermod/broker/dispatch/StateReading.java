package hermod.broker.dispatch;

import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.StoredEntry;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One question of a subscriber's shard for a piece of a state topic's snapshot: as many questions to the store as it has holes, and one answer when all have been answered. */
@RunsOn(Owner.SHARD)
final class StateReading {
    private static final class Question {
        final long from;
        final long end;

        @Nullable
        ByteBuf entries;

        Question(long from, long end) {
            this.from = from;
            this.end = end;
        }
    }

    private final TopicDispatcher home;
    private final int readerShard;
    private final long reader;
    private final int handle;
    private final int readNumber;
    private final long from;
    private final long end;
    private final long next;
    private final int bytesMax;
    private final List<Question> questions = new ArrayList<>();

    /** One more than there are answers missing, until all were asked. */
    private int missingCount = 1;

    private @Nullable EngineFault fault;

    /**
     * @param readerShard and {@code reader}, {@code readNumber}: who asked, as in a READ record.
     * @param end of the snapshot.
     * @param next where to read on when all of this was read.
     */
    StateReading(
            TopicDispatcher home,
            int readerShard,
            long reader,
            int handle,
            int readNumber,
            long from,
            long end,
            long next,
            int bytesMax) {
        this.home = home;
        this.readerShard = readerShard;
        this.reader = reader;
        this.handle = handle;
        this.readNumber = readNumber;
        this.from = from;
        this.end = end;
        this.next = next;
        this.bytesMax = bytesMax;
    }

    int readerShard() {
        return readerShard;
    }

    long reader() {
        return reader;
    }

    int handle() {
        return handle;
    }

    int readNumber() {
        return readNumber;
    }

    long from() {
        return from;
    }

    long end() {
        return end;
    }

    int bytesMax() {
        return bytesMax;
    }

    /** @return the number of a question for what lies in [from, end). */
    int addQuestion(long from, long end) {
        questions.add(new Question(from, end));
        missingCount++;
        return questions.size() - 1;
    }

    /** All questions were asked. */
    void onAsked() {
        onAnswer();
    }

    void onRead(int index, EventLog.Page page) {
        questions.get(index).entries = Unpooled.wrappedBuffer(page.entries());
        onAnswer();
    }

    void onFault(int index, EngineFault why) {
        if (why != EngineFault.CORRUPT) {
            fault = why;
        }
        onAnswer();
    }

    private void onAnswer() {
        if (--missingCount > 0) {
            return;
        }
        if (fault != null) {
            home.retryLater(() -> home.readStateAgain(this));
            return;
        }
        byte[] frames = new byte[frameBytes()];
        int to = 0;
        int count = 0;
        for (Question each : questions) {
            ByteBuf entries = each.entries;
            if (entries == null) {
                onDamaged(each, frames, to, count);
                return;
            }
            for (int at = 0; at < entries.writerIndex(); at += StoredEntry.bytes(entries, at)) {
                int bytes = StoredEntry.frameBytes(entries, at);
                entries.getBytes(StoredEntry.frameAt(entries, at), frames, to, bytes);
                to += bytes;
                count++;
            }
        }
        home.onStateRead(this, from, frames, to, count, next);
    }

    /** What can't be read is announced by its own answer: what stands before it comes first. */
    private void onDamaged(Question damaged, byte[] frames, int bytes, int count) {
        if (count > 0) {
            home.onStateRead(this, from, frames, bytes, count, damaged.from);
        } else {
            home.onStateRead(this, damaged.end, frames, 0, 0, damaged.end);
        }
    }

    private int frameBytes() {
        int bytes = 0;
        for (Question each : questions) {
            ByteBuf entries = each.entries;
            for (int at = 0; entries != null && at < entries.writerIndex(); at += StoredEntry.bytes(entries, at)) {
                bytes += StoredEntry.frameBytes(entries, at);
            }
        }
        return bytes;
    }
}
