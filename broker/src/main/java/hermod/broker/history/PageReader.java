package hermod.broker.history;

import hermod.broker.engine.Answer;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.StoredEntry;
import hermod.broker.session.Inquiry;
import hermod.broker.shard.ShardClock;
import hermod.protocol.ErrorCode;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.control.wire.History;
import hermod.protocol.control.wire.History.Start;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.HistoryPageFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes one page: finds the stream, the place in it, and reads on until the page is full or enough was looked at. Runs wherever the engine answers, one step after the other.
 *
 * <pre>
 *   find ──▶ offsetAt, or the newest ──▶ read ──▶ read ──▶ …  answer
 *     └── never stored: an empty page                └── any fault: ERROR
 * </pre>
 *
 * <p>What is stored grows while it is read. So a page never covers more than it has looked at: an offset that was given out and is not stored yet is for the next page.
 */
final class PageReader {
    private static final Logger LOG = LoggerFactory.getLogger(PageReader.class);
    private static final int RETRY_AFTER_MS = 50;

    /** Entries asked for at least, so that a page whose last events are rare is not read one by one. */
    private static final int READ_COUNT_MIN = 64;

    private final EventLog log;
    private final HistoryConfig config;
    private final Inquiry inquiry;
    private final History asked;
    private final int limit;
    private final boolean isBackwards;

    /** The EVENT frames of the page. */
    private final ByteBuf events = Unpooled.buffer(0);

    private EventLog.@Nullable Opened stream;
    private boolean isEpochChanged;

    /** Where the page begins; {@code Long.MAX_VALUE} backwards from the newest. */
    private long start;

    private int count;
    private int leftOut;
    private int expired;
    private int lookedAt;
    private long firstSeen;
    private long lastSeen;
    private long firstKept;

    PageReader(EventLog log, HistoryConfig config, Inquiry inquiry, History asked) {
        this.log = log;
        this.config = config;
        this.inquiry = inquiry;
        this.asked = asked;
        this.limit = asked.getLimit() == 0 ? ProtocolLimits.HISTORY_PAGE_EVENTS_DEFAULT : asked.getLimit();
        this.isBackwards = asked.getBackwards();
    }

    void start() {
        log.find(inquiry.org(), inquiry.topic(), answer(this::onFound));
    }

    private void onFound(EventLog.@Nullable Opened found) {
        if (found == null) {
            isEpochChanged = asked.getEpoch() != 0;
            finish(new HistoryPageFrame.Head(0, 0, 0, false, isEpochChanged, 1, 1, 1, 0, 0, 0));
            return;
        }
        stream = found;
        firstKept = found.firstOffset();
        isEpochChanged = asked.getEpoch() != 0 && asked.getEpoch() != found.epoch();
        Start from =
                isEpochChanged && asked.getStart() == Start.START_OFFSET ? Start.START_UNSPECIFIED : asked.getStart();
        switch (from) {
            case START_OFFSET -> readFrom(found, asked.getOffset());
            case START_TIME ->
                log.offsetAt(
                        found.stream(),
                        asked.getTimeUs(),
                        answer(offset -> readFrom(found, isBackwards ? offset - 1 : offset)));
            case START_NEWEST -> {
                if (isBackwards) {
                    readFrom(found, Long.MAX_VALUE);
                } else {
                    readEnd(found);
                }
            }
            default -> readFrom(found, isBackwards ? Long.MAX_VALUE : 1);
        }
    }

    /** Behind the newest there is nothing; but where it is must be read: what was given out may not be stored yet. */
    private void readEnd(EventLog.Opened found) {
        log.read(new EventLog.Order(found.stream(), Long.MAX_VALUE, 0, true, 1, 1), answer(page -> {
            firstKept = page.firstOffset();
            start = page.count() == 0 ? 1 : StoredEntry.offset(Unpooled.wrappedBuffer(page.entries()), 0) + 1;
            finish(found, false);
        }));
    }

    private void readFrom(EventLog.Opened found, long offset) {
        start = isBackwards ? offset : Math.max(1, offset);
        if (start < 1) {
            finish(found, false);
        } else {
            readOn(found, start);
        }
    }

    private void readOn(EventLog.Opened found, long from) {
        int wanted = Math.min(config.lookedAtLimitCount() - lookedAt, Math.max(READ_COUNT_MIN, limit - count));
        log.read(
                new EventLog.Order(
                        found.stream(),
                        from,
                        isBackwards ? 0 : Long.MAX_VALUE,
                        isBackwards,
                        wanted,
                        config.pageLimitBytes()),
                answer(page -> onRead(found, page)));
    }

    private void onRead(EventLog.Opened found, EventLog.Page page) {
        firstKept = page.firstOffset();
        ByteBuf in = Unpooled.wrappedBuffer(page.entries());
        long nowUs = ShardClock.wallUs();
        int at = 0;
        for (int i = 0; i < page.count(); i++) {
            if (!take(in, at, nowUs)) {
                finish(found, true);
                return;
            }
            at += StoredEntry.bytes(in, at);
            if (count == limit) {
                finish(found, i + 1 < page.count() || !page.isEnd());
                return;
            }
        }
        boolean isEnd = page.isEnd() || page.count() == 0 || (isBackwards && lastSeen == 1);
        if (isEnd || lookedAt >= config.lookedAtLimitCount()) {
            finish(found, !isEnd);
        } else {
            readOn(found, isBackwards ? lastSeen - 1 : lastSeen + 1);
        }
    }

    /** @return false where the page has no room for the entry, which was not looked at then. */
    private boolean take(ByteBuf in, int entryAt, long nowUs) {
        int at = StoredEntry.frameAt(in, entryAt);
        int bytes = StoredEntry.frameBytes(in, entryAt);
        boolean isExpired = EventFrame.expiresAtUs(in, at) <= nowUs;
        boolean isWanted = !isExpired && inquiry.wants(in, at);
        boolean isTooLarge = isWanted && HistoryPageFrame.EVENTS_AT + bytes > frameLimitBytes();
        if (isWanted && !isTooLarge) {
            if (count > 0 && events.writerIndex() + bytes > config.pageLimitBytes()) {
                return false;
            }
            int writtenAt = events.writerIndex();
            events.writeBytes(in, at, bytes);
            events.setIntLE(writtenAt + FrameHeader.HANDLE_AT, 0);
            count++;
        }
        lookedAt++;
        expired += isExpired ? 1 : 0;
        leftOut += isTooLarge ? 1 : 0;
        lastSeen = EventFrame.offset(in, at);
        if (firstSeen == 0) {
            firstSeen = lastSeen;
        }
        return true;
    }

    private int frameLimitBytes() {
        return Math.max(inquiry.frameLimitBytes(), ProtocolLimits.CONTROL_FRAME_TO_CLIENT_BYTES);
    }

    private void finish(EventLog.Opened found, boolean hasMore) {
        boolean isByOffset = asked.getStart() == Start.START_OFFSET && !isEpochChanged;
        boolean isBeforeAll = isByOffset && start >= 1 && start < firstKept;
        long lostFrom = !isBeforeAll ? 0 : isBackwards ? 1 : start;
        long lostTo = !isBeforeAll ? 0 : isBackwards ? start : firstKept - 1;
        long highest = Math.max(firstSeen, lastSeen);
        long nextOffset = Math.max(found.nextOffset(), highest + 1);
        finish(new HistoryPageFrame.Head(
                found.epoch(),
                count,
                leftOut,
                hasMore,
                isEpochChanged,
                Math.min(firstKept, nextOffset),
                nextOffset,
                forwardsFrom(highest),
                backwardsFrom(),
                lostFrom,
                lostTo));
    }

    private long forwardsFrom(long highest) {
        if (highest > 0) {
            return highest + 1;
        }
        // Nothing at or below the start, backwards: then it lies before all that is kept, or nothing is kept.
        return isBackwards ? (start >= firstKept ? 1 : start + 1) : start;
    }

    private long backwardsFrom() {
        if (!isBackwards) {
            return isEpochChanged && asked.getStart() == Start.START_OFFSET ? Math.max(0, firstSeen - 1) : start - 1;
        }
        return lastSeen == 0 ? 0 : lastSeen - 1;
    }

    private void finish(HistoryPageFrame.Head head) {
        ByteBuf frame = Unpooled.buffer(HistoryPageFrame.EVENTS_AT + events.readableBytes());
        HistoryPageFrame.writeHead(frame, inquiry.requestId(), head, events.readableBytes());
        inquiry.answer(frame.writeBytes(events), expired);
    }

    private <T extends @Nullable Object> Answer<T> answer(Consumer<T> next) {
        return new Answer<>() {
            @Override
            public void onDone(T result) {
                try {
                    next.accept(result);
                } catch (RuntimeException | AssertionError defect) {
                    LOG.error("a page of history could not be made: topic={}", inquiry.topic(), defect);
                    inquiry.refuse(ErrorCode.UNAVAILABLE, "the broker failed; the defect is in its log", 0);
                }
            }

            @Override
            public void onFault(EngineFault fault) {
                if (fault == EngineFault.BUSY) {
                    inquiry.refuse(ErrorCode.BACK_PRESSURED, fault.sentence(), RETRY_AFTER_MS);
                } else {
                    inquiry.refuse(ErrorCode.UNAVAILABLE, fault.sentence(), 0);
                }
            }
        };
    }
}
