package hermod.broker.audit;

import hermod.broker.engine.StoredEntry;
import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.security.DigestException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * An audit record as it is stored: what a {@link StoredEntry} has in the place of its frame. Little-endian.
 *
 * <pre>
 *  0        4         5       6    8         16         24       32             64         96
 *  +--------+---------+-------+----+---------+----------+--------+--------------+----------+------------------
 *  | length | version | actor | 0  | missing | sequence | timeUs | hash of the  | own hash | texts
 *  | u32    | u8 = 1  | u8    |    | u64     | u64      | i64    | record before|          |
 *  +--------+---------+-------+----+---------+----------+--------+--------------+----------+------------------
 *
 *  texts: who, org, action, subject, outcome, each u16 bytes and UTF-8; u16 count of details, each two texts
 * </pre>
 *
 * <p>length counts all bytes of the record. Sequence, from 1 without holes, stands where an EVENT frame has its offset, and is the entry's offset. missing: records between the one before and this one that could not be kept and have no sequence. Hashes are SHA-256; the own one is over the record without
 * itself. The first record has the hash of {@code hermod audit 1 } and the stream's name in the place of the record before, so a chain can't be passed off as another writer's.
 */
final class RecordLayout {
    static final int VERSION = 1;
    static final int HASH_BYTES = 32;
    static final int VERSION_AT = 4;
    static final int ACTOR_AT = 5;
    static final int MISSING_AT = 8;
    static final int SEQUENCE_AT = 16;
    static final int TIME_US_AT = 24;
    static final int PREVIOUS_HASH_AT = 32;
    static final int OWN_HASH_AT = 64;
    static final int TEXTS_AT = 96;

    /** Of a whole entry; texts are cut so that none is longer. */
    static final int ENTRY_BYTES_MAX = 8 * 1024;

    /** Of one text; what is longer is cut, and ends with an ellipsis. */
    static final int TEXT_BYTES_MAX = 512;

    static final int DETAILS_MAX = 8;

    static {
        // Five texts, and as many details as may be, fit.
        assert StoredEntry.FIXED_BYTES
                        + TEXTS_AT
                        + 2
                        + (5 + DETAILS_MAX) * (2 + TEXT_BYTES_MAX)
                        + DETAILS_MAX * (2 + 64)
                <= ENTRY_BYTES_MAX;
    }

    private RecordLayout() {}

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException("every JDK has SHA-256", impossible);
        }
    }

    /** What a stream's first record has in the place of the hash before. */
    static byte[] firstHash(String stream) {
        return sha256().digest(("hermod audit 1 " + stream).getBytes(StandardCharsets.UTF_8));
    }

    /**
     * Computes a record's own hash.
     *
     * @param at of the record, in an array of its own or a buffer's.
     */
    static void hash(MessageDigest digest, byte[] in, int at, int recordBytes, byte[] out, int outAt) {
        digest.update(in, at, OWN_HASH_AT);
        digest.update(in, at + TEXTS_AT, recordBytes - TEXTS_AT);
        try {
            digest.digest(out, outAt, HASH_BYTES);
        } catch (DigestException impossible) {
            throw new IllegalStateException("SHA-256 has 32 bytes", impossible);
        }
    }

    /** Whether the entry's head is as {@link AuditTrail} writes it: an entry has nothing beside its record that could be changed unseen. */
    static boolean isHeadUntouched(ByteBuf in, int at) {
        return StoredEntry.flags(in, at) == 0
                && StoredEntry.keyBytes(in, at) == 0
                && StoredEntry.producer(in, at) == 0
                && StoredEntry.sequence(in, at) == 0
                && StoredEntry.author(in, at) == 0
                && StoredEntry.ordinal(in, at) == 0
                && StoredEntry.authorOrdinal(in, at) == 0
                && StoredEntry.storedAtUs(in, at) == in.getLongLE(at + StoredEntry.FIXED_BYTES + TIME_US_AT)
                && StoredEntry.bytes(in, at) - StoredEntry.FIXED_BYTES == in.getIntLE(at + StoredEntry.FIXED_BYTES);
    }

    /** Whether a whole entry that can hold a record stands at {@code at}. */
    static boolean isEntry(ByteBuf in, int at) {
        int left = in.writerIndex() - at;
        if (left < StoredEntry.FIXED_BYTES + TEXTS_AT) {
            return false;
        }
        int bytes = StoredEntry.bytes(in, at);
        return bytes >= StoredEntry.FIXED_BYTES + TEXTS_AT && bytes <= left;
    }
}
