package hermod.broker.audit;

import hermod.broker.engine.StoredEntry;
import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * An audit record for people. Immutable.
 *
 * @param missing records that were lost between the one before and this one.
 * @param timeUs in microseconds since 1970.
 * @param actor what kind of somebody; empty where a later version wrote one this one does not know.
 * @param who the user, or what the operator is called.
 * @param subject what it was done to: a topic, a channel, a user.
 * @param isIntact whether the record matches its own hash; {@link ChainCheck} says whether it stands in its chain.
 */
public record AuditRecord(
        String stream,
        long sequence,
        long missing,
        long timeUs,
        String actor,
        String who,
        String org,
        String action,
        String subject,
        String outcome,
        Map<String, String> details,
        String hash,
        boolean isIntact) {

    /**
     * Reads one.
     *
     * @param in borrowed; a heap buffer with an entry at {@code at}, see {@link RecordLayout#isEntry}. Texts that can't be read are empty, and the record is not intact.
     */
    static AuditRecord read(String stream, ByteBuf in, int at) {
        int record = at + StoredEntry.FIXED_BYTES;
        int bytes = StoredEntry.bytes(in, at) - StoredEntry.FIXED_BYTES;
        byte[] computed = new byte[RecordLayout.HASH_BYTES];
        RecordLayout.hash(RecordLayout.sha256(), in.array(), in.arrayOffset() + record, bytes, computed, 0);
        byte[] own = new byte[RecordLayout.HASH_BYTES];
        in.getBytes(record + RecordLayout.OWN_HASH_AT, own);
        boolean isIntact = java.util.Arrays.equals(own, computed) && RecordLayout.isHeadUntouched(in, at);
        Texts texts = new Texts(in, record + RecordLayout.TEXTS_AT, record + bytes);
        int actor = in.getByte(record + RecordLayout.ACTOR_AT);
        String who = texts.next();
        String org = texts.next();
        String action = texts.next();
        String subject = texts.next();
        String outcome = texts.next();
        Map<String, String> details = new LinkedHashMap<>();
        int count = texts.count();
        for (int i = 0; i < count && !texts.isBroken; i++) {
            String key = texts.next();
            details.put(key, texts.next());
        }
        return new AuditRecord(
                stream,
                in.getLongLE(record + RecordLayout.SEQUENCE_AT),
                in.getLongLE(record + RecordLayout.MISSING_AT),
                in.getLongLE(record + RecordLayout.TIME_US_AT),
                actor >= 0 && actor < Actor.ALL.length ? Actor.ALL[actor].label() : "",
                who,
                org,
                action,
                subject,
                outcome,
                details,
                HexFormat.of().formatHex(own),
                isIntact && !texts.isBroken);
    }

    /** Reads texts one after the other, never beyond the record. */
    private static final class Texts {
        private final ByteBuf in;
        private final int end;
        private int at;
        private boolean isBroken;

        Texts(ByteBuf in, int at, int end) {
            this.in = in;
            this.at = at;
            this.end = end;
        }

        int count() {
            if (isBroken || end - at < 2) {
                isBroken = true;
                return 0;
            }
            at += 2;
            return in.getUnsignedShortLE(at - 2);
        }

        String next() {
            int bytes = count();
            if (isBroken || bytes > end - at) {
                isBroken = true;
                return "";
            }
            String text = in.toString(at, bytes, StandardCharsets.UTF_8);
            at += bytes;
            return text;
        }
    }
}
