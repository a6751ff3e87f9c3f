package hermod.broker.audit;

import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.StoredEntry;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.concurrent.TimeUnit;
import org.agrona.collections.LongArrayQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes one chain of audit records through an appender that it shares with its writer, in the urgent lane.
 *
 * <p>A record is handed to the engine before {@link #record} returns. So a record that is made before its event is appended is stored with the event's own sync, or an earlier one. Every record is kept in memory until it is stored:
 *
 * <pre>
 *            record                        stored
 *   ───────────────────▶ kept and handed ──────────▶ gone          well
 *                              │ failed
 *                              ▼
 *                        kept: nothing more is handed until all that was under way is completed; then the oldest
 *                        again, with the next record or after 500 ms; when they are stored, all the rest      failing
 * </pre>
 *
 * <p>Kept ones have their sequence and hash, and whether the engine has them is unknown; so what does not fit any more is the new record, which then is lost without a sequence and the next one that fits says so: the chain stays whole.
 *
 * <p>All methods are its writer's thread's: a shard's, or {@link OperatorAudit}'s.
 */
@RunsOn(Owner.SHARD)
public final class AuditTrail {
    private static final Logger LOG = LoggerFactory.getLogger(AuditTrail.class);

    private static final int FIRST_BYTES = 4 * 1024;

    /** More than this is given back when all is stored again. */
    private static final int IDLE_BYTES_MAX = 64 * 1024;

    /** Handed over at once after a failure. */
    private static final int HANDED_BYTES_MAX = 64 * 1024;

    private static final long RETRY_AFTER_NS = TimeUnit.MILLISECONDS.toNanos(500);
    private static final int KEY_BYTES_MAX = 64;

    private static final byte[] ELLIPSIS = "…".getBytes(StandardCharsets.UTF_8);
    private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

    private final AuditStream stream;
    private final EventLog.Appender appender;
    private final ShardMetrics metrics;
    private final int keptLimitBytes;
    private final MessageDigest digest = RecordLayout.sha256();
    private final byte[] lastHash;
    private final byte[] decimal = new byte[20];
    private long lastSequence;
    private long lastTimeUs;

    /** Entries that are not stored yet, oldest first, from its reader index. */
    private ByteBuf kept = Unpooled.buffer(FIRST_BYTES);

    /** What is under way, in the order of {@link #kept} while nothing fails: ticket, bytes, sequence of the last record. */
    private final LongArrayQueue handed = new LongArrayQueue();

    private int handedBytes;
    private boolean isFailing;

    /** While failing: the oldest are under way again. */
    private boolean isProbing;

    private long retryAtNs;
    private long storedSequence;
    private long lost;
    private long lostInAll;

    /** Where the record that is being written starts. */
    private int entryAt;

    /**
     * @param appender of the writer's thread; tickets of its urgent lane are to be told to {@link #onStored} and {@link #onFailed}, whosoever they are.
     * @param metrics of the writer's thread.
     */
    public AuditTrail(AuditConfig config, AuditStream.Head head, EventLog.Appender appender, ShardMetrics metrics) {
        this.stream = head.stream();
        this.appender = appender;
        this.metrics = metrics;
        keptLimitBytes = config.keptLimitBytes();
        lastHash = head.hash().clone();
        lastSequence = head.sequence();
        storedSequence = head.sequence();
        lastTimeUs = head.timeUs();
    }

    /** What the first record of a start says where the chain was damaged; nothing where it was not. Call it before the first {@link #record}. */
    public void tellDamage(AuditStream.Head head, long nowUs) {
        if (head.damage().isEmpty()) {
            return;
        }
        LOG.error(
                "the audit log is damaged; 'hermod audit verify' says more: stream={}, {}",
                stream.name(),
                head.damage());
        record(nowUs, Actor.BROKER, "broker", "", "audit.damage-found", stream.name(), head.damage());
    }

    /**
     * Records what somebody did. Texts are cut at {@value RecordLayout#TEXT_BYTES_MAX} bytes.
     *
     * @param nowUs the time, in microseconds since 1970; a clock that was set back does not make times fall.
     * @param details keys and values in turn, at most {@value RecordLayout#DETAILS_MAX} pairs.
     * @return its sequence; 0 if it was lost because too much is kept.
     */
    public long record(
            long nowUs,
            Actor actor,
            String who,
            String org,
            String action,
            String subject,
            String outcome,
            String... details) {
        if (!begin(actor, nowUs)) {
            return 0;
        }
        text(who);
        text(org);
        text(action);
        text(subject);
        text(outcome);
        int pairs = Math.min(RecordLayout.DETAILS_MAX, details.length / 2);
        kept.writeShortLE(pairs);
        for (int i = 0; i < pairs; i++) {
            text(details[2 * i], KEY_BYTES_MAX);
            text(details[2 * i + 1]);
        }
        return end();
    }

    /**
     * Records that an event of a safety channel was taken; to be called before the event is appended or fanned out. Allocates nothing while less than 4 KiB wait for the disk.
     *
     * @param user in UTF-8; borrowed.
     * @param device the publisher's, as {@code EventFields.TAG_EXCLUDED_DEVICE} has it.
     * @param type the event's type as its entry has it.
     * @param timestampUs the event's own.
     * @return as {@link #record}.
     */
    public long safetyEvent(
            long nowUs, String org, String topic, long offset, byte[] user, long device, int type, long timestampUs) {
        if (!begin(Actor.USER, nowUs)) {
            return 0;
        }
        text(user);
        text(org);
        text("safety.event");
        text(topic);
        text("taken");
        kept.writeShortLE(4);
        text("offset", KEY_BYTES_MAX);
        number(offset);
        text("device", KEY_BYTES_MAX);
        hex(device);
        text("type", KEY_BYTES_MAX);
        number(type & 0xffff_ffffL);
        text("timestampUs", KEY_BYTES_MAX);
        number(timestampUs);
        return end();
    }

    private boolean begin(Actor actor, long nowUs) {
        if (!hasSpace()) {
            lose();
            return false;
        }
        if (kept.readerIndex() > Math.max(IDLE_BYTES_MAX, kept.readableBytes())) {
            // Moves less than was written since the last time.
            kept.discardReadBytes();
        }
        lastTimeUs = Math.max(lastTimeUs, nowUs);
        entryAt = kept.writerIndex();
        kept.writeZero(StoredEntry.FIXED_BYTES);
        kept.writeIntLE(0)
                .writeByte(RecordLayout.VERSION)
                .writeByte(actor.ordinal())
                .writeShortLE(0)
                .writeLongLE(lost)
                .writeLongLE(lastSequence + 1)
                .writeLongLE(lastTimeUs)
                .writeBytes(lastHash)
                .writeZero(RecordLayout.HASH_BYTES);
        return true;
    }

    private boolean hasSpace() {
        return kept.readableBytes() + RecordLayout.ENTRY_BYTES_MAX <= keptLimitBytes;
    }

    private void lose() {
        if (lost++ == 0) {
            LOG.error(
                    "audit records are lost: too many wait for the disk: stream={}, lastSequence={}, keptBytes={}, audit.kept-limit-bytes={}",
                    stream.name(),
                    lastSequence,
                    kept.readableBytes(),
                    keptLimitBytes);
        }
        lostInAll++;
        metrics.add(Counter.AUDIT_RECORDS_LOST, 1);
    }

    private long end() {
        int entryBytes = kept.writerIndex() - entryAt;
        int record = entryAt + StoredEntry.FIXED_BYTES;
        int recordBytes = entryBytes - StoredEntry.FIXED_BYTES;
        kept.setIntLE(record, recordBytes);
        byte[] bytes = kept.array();
        int base = kept.arrayOffset() + record;
        RecordLayout.hash(digest, bytes, base, recordBytes, lastHash, 0);
        System.arraycopy(lastHash, 0, bytes, base + RecordLayout.OWN_HASH_AT, RecordLayout.HASH_BYTES);
        kept.writerIndex(entryAt);
        StoredEntry.writeHead(kept, 0, 0, recordBytes, 0, 0, 0, 0, 0, lastTimeUs);
        kept.writerIndex(entryAt + entryBytes);
        lastSequence++;
        lost = 0;
        // Its event is about to try the engine too, and must not be stored before it.
        handOver();
        return lastSequence;
    }

    private void text(String text) {
        text(text, RecordLayout.TEXT_BYTES_MAX);
    }

    private void text(String text, int bytesMax) {
        int bytes = ByteBufUtil.utf8Bytes(text);
        if (bytes <= bytesMax) {
            kept.writeShortLE(bytes);
            ByteBufUtil.writeUtf8(kept, text);
        } else {
            text(text.getBytes(StandardCharsets.UTF_8), bytesMax);
        }
    }

    private void text(byte[] utf8) {
        text(utf8, RecordLayout.TEXT_BYTES_MAX);
    }

    private void text(byte[] utf8, int bytesMax) {
        if (utf8.length <= bytesMax) {
            kept.writeShortLE(utf8.length).writeBytes(utf8);
            return;
        }
        int cut = bytesMax - ELLIPSIS.length;
        while (cut > 0 && (utf8[cut] & 0xc0) == 0x80) {
            cut--;
        }
        kept.writeShortLE(cut + ELLIPSIS.length).writeBytes(utf8, 0, cut).writeBytes(ELLIPSIS);
    }

    private void number(long number) {
        if (number < 0) {
            text(Long.toString(number));
            return;
        }
        int at = decimal.length;
        long left = number;
        do {
            decimal[--at] = (byte) ('0' + left % 10);
            left /= 10;
        } while (left > 0);
        kept.writeShortLE(decimal.length - at).writeBytes(decimal, at, decimal.length - at);
    }

    private void hex(long number) {
        kept.writeShortLE(16);
        for (int shift = 60; shift >= 0; shift -= 4) {
            kept.writeByte(HEX[(int) (number >>> shift) & 0xf]);
        }
    }

    /**
     * Hands over what is kept, as far as the engine takes it now.
     *
     * @return whether the engine has all records: what is appended next is then not stored before them.
     */
    public boolean handOver() {
        if (!isFailing) {
            handOverAll();
        } else if (handed.isEmpty() && kept.isReadable()) {
            isProbing = handOverSome();
        }
        return (!isFailing || isProbing) && handedBytes == kept.readableBytes();
    }

    /** Hands over all that is kept and not under way, as long as the engine has room. What stays behind is handed over when something was stored. */
    private void handOverAll() {
        while (handedBytes < kept.readableBytes() && handOverSome()) {
            // Each time some.
        }
    }

    /** @return false if the engine had no room for one record. */
    private boolean handOverSome() {
        int from = kept.readerIndex() + handedBytes;
        int end = from;
        long sequence = 0;
        while (end < kept.writerIndex()) {
            int entryBytes = StoredEntry.bytes(kept, end);
            if (end > from && end - from + entryBytes > HANDED_BYTES_MAX) {
                break;
            }
            if (!appender.hasRoom(true, end - from + entryBytes)) {
                break;
            }
            sequence = StoredEntry.offset(kept, end);
            end += entryBytes;
        }
        if (end == from) {
            return false;
        }
        handed.addLong(append(from, end));
        handed.addLong(end - from);
        handed.addLong(sequence);
        handedBytes += end - from;
        return true;
    }

    /** @return the ticket. */
    private long append(int from, int end) {
        int readerIndex = kept.readerIndex();
        int writerIndex = kept.writerIndex();
        kept.setIndex(from, end);
        try {
            return appender.append(true, stream.number(), kept);
        } finally {
            kept.setIndex(readerIndex, writerIndex);
        }
    }

    /** The appender's urgent tickets up to this one are stored; those of others are none of this trail's business. */
    public void onStored(long ticket) {
        boolean isOne = false;
        while (!handed.isEmpty() && handed.peekLong() <= ticket) {
            handed.pollLong();
            int bytes = (int) handed.pollLong();
            long sequence = handed.pollLong();
            if (!isFailing || isProbing) {
                metrics.add(Counter.AUDIT_RECORDS, sequence - storedSequence);
                kept.skipBytes(bytes);
                handedBytes -= bytes;
                storedSequence = sequence;
                isOne = true;
            }
        }
        if (!isOne) {
            waitToRetry();
            return;
        }
        boolean wasFailing = isFailing;
        isFailing = false;
        isProbing = false;
        boolean isMore = handedBytes < kept.readableBytes();
        handOverAll();
        if (lost > 0 && hasSpace()) {
            isMore = true;
            record(lastTimeUs, Actor.BROKER, "broker", "", "audit.resumed", stream.name(), "records were lost");
        }
        if (isMore) {
            appender.flush();
        }
        if (wasFailing) {
            LOG.warn(
                    "audit records are stored again: stream={}, storedSequence={}, keptBytes={}, lostSinceTheStart={}",
                    stream.name(),
                    storedSequence,
                    kept.readableBytes(),
                    lostInAll);
        }
        giveBack();
    }

    /** The same for tickets that are not acknowledged. What this trail has among them is handed over again by {@link #tick}. */
    public void onFailed(long ticket, EngineFault fault) {
        boolean isOne = false;
        while (!handed.isEmpty() && handed.peekLong() <= ticket) {
            handed.pollLong();
            handed.pollLong();
            handed.pollLong();
            isOne = true;
        }
        if (isOne && !isFailing) {
            LOG.error(
                    "audit records wait in memory: {}: stream={}, storedSequence={}, keptBytes={}",
                    fault.sentence(),
                    stream.name(),
                    storedSequence,
                    kept.readableBytes());
            isFailing = true;
        }
        waitToRetry();
    }

    /** Nothing is handed over again while a part is under way: what is stored behind a hole would be stored before it. */
    private void waitToRetry() {
        if (isFailing && handed.isEmpty() && handedBytes > 0) {
            handedBytes = 0;
            isProbing = false;
            retryAtNs = 0;
        }
    }

    /** To be called now and then; a shard's tick does. @param nowNs monotonic. */
    public void tick(long nowNs) {
        if (!isFailing) {
            if (handed.isEmpty() && kept.isReadable()) {
                // There was no room, and nothing under way whose end would make some.
                handOverAll();
                appender.flush();
            }
            return;
        }
        if (!handed.isEmpty()) {
            return;
        }
        if (retryAtNs == 0) {
            retryAtNs = Math.max(1, nowNs + RETRY_AFTER_NS);
        } else if (nowNs - retryAtNs >= 0 && handOverSome()) {
            isProbing = true;
            appender.flush();
        }
    }

    private void giveBack() {
        if (!kept.isReadable()) {
            if (kept.capacity() > IDLE_BYTES_MAX) {
                kept = Unpooled.buffer(FIRST_BYTES);
            } else {
                kept.clear();
            }
        }
    }

    public AuditStream stream() {
        return stream;
    }

    /** Of the newest record that is stored, with all before it; 0 for none. */
    public long storedSequence() {
        return storedSequence;
    }

    /** Of the newest record. */
    public long lastSequence() {
        return lastSequence;
    }

    /** Whether records wait for an engine that failed. */
    public boolean isFailing() {
        return isFailing;
    }

    /** Bytes of memory that it holds. */
    int heldBytes() {
        return kept.capacity();
    }

    /** Bytes of records that are not stored yet. */
    public int keptBytes() {
        return kept.readableBytes();
    }
}
