package hermod.broker.audit;

import hermod.broker.engine.StoredEntry;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.TreeMap;

/**
 * Walks one chain from its start and finds what was changed, removed, added or moved.
 *
 * <p>It trusts nothing but SHA-256 and the heads it was told. What a chain alone can't show is that its newest records were cut off, or that all of it was written anew: a head that was noted elsewhere before does. Memory: one page, and {@value #FINDINGS_MAX} findings. Used by one thread.
 */
public final class ChainCheck {
    /** Findings that are told in full; all are counted. */
    public static final int FINDINGS_MAX = 20;

    private static final int PAGE_ENTRIES = 1_000;

    private final String stream;
    private final MessageDigest digest = RecordLayout.sha256();
    private final byte[] computed = new byte[RecordLayout.HASH_BYTES];
    private final byte[] own = new byte[RecordLayout.HASH_BYTES];
    private final byte[] before = new byte[RecordLayout.HASH_BYTES];

    /** Of the last record in its place; what the next one must stand on. */
    private final byte[] lastHash;

    /** Of {@link #lastHash}; one behind {@link #next} unless records are missing in between. */
    private long lastSequence;

    private final TreeMap<Long, String> expectedHeads = new TreeMap<>();
    private final List<Finding> findings = new ArrayList<>();
    private long findingCount;
    private long next = 1;
    private long recordCount;
    private long lostCount;

    public ChainCheck(String stream) {
        this.stream = stream;
        lastHash = RecordLayout.firstHash(stream);
    }

    /** Notes a head the chain is known to have had. @param hash in hex digits. */
    public ChainCheck expect(long sequence, String hash) {
        expectedHeads.put(sequence, hash);
        return this;
    }

    /** Walks all of it. @throws IOException as {@link AuditSource#read}. */
    public ChainCheck run(AuditSource source, AuditStream from) throws IOException {
        long at = 1;
        while (true) {
            AuditSource.Page page = source.read(from, at, false, PAGE_ENTRIES);
            if (page.isDamaged()) {
                find(Finding.Kind.UNREADABLE, next, "a record", "damage that the store noticed; the rest was not read");
                break;
            }
            long seen = recordCount;
            boolean isReadable = accept(Unpooled.wrappedBuffer(page.entries()));
            // A record that claims a number out of all order must not lead round in a circle.
            if (!isReadable || page.isEnd() || recordCount == seen || next <= at) {
                break;
            }
            at = next;
        }
        end();
        return this;
    }

    /** The check of a chain that is not there at all. */
    public ChainCheck nothingThere() {
        end();
        return this;
    }

    /** @return whether all of it could be read as records. */
    private boolean accept(ByteBuf in) {
        int at = 0;
        while (at < in.writerIndex()) {
            if (!RecordLayout.isEntry(in, at)) {
                find(Finding.Kind.UNREADABLE, next, "a record", "something else; the rest was not read");
                return false;
            }
            accept(in, at);
            at += StoredEntry.bytes(in, at);
        }
        return true;
    }

    private void accept(ByteBuf in, int at) {
        int record = at + StoredEntry.FIXED_BYTES;
        long sequence = in.getLongLE(record + RecordLayout.SEQUENCE_AT);
        recordCount++;
        lostCount += Math.max(0, in.getLongLE(record + RecordLayout.MISSING_AT));
        RecordLayout.hash(
                digest,
                in.array(),
                in.arrayOffset() + record,
                StoredEntry.bytes(in, at) - StoredEntry.FIXED_BYTES,
                computed,
                0);
        in.getBytes(record + RecordLayout.OWN_HASH_AT, own);
        in.getBytes(record + RecordLayout.PREVIOUS_HASH_AT, before);
        if (sequence > next) {
            find(Finding.Kind.MISSING, next, range(next, sequence - 1), "record " + sequence);
        } else if (sequence < next) {
            find(Finding.Kind.REORDERED, sequence, "record " + next, "record " + sequence + " behind " + (next - 1));
        }
        if (!Arrays.equals(own, computed)) {
            find(Finding.Kind.CHANGED, sequence, "hash " + hex(own), "hash " + hex(computed) + " of what is stored");
        } else if (!RecordLayout.isHeadUntouched(in, at)) {
            find(Finding.Kind.CHANGED, sequence, "nothing but the record", "something in the entry's head");
        } else if (sequence == lastSequence + 1 && !Arrays.equals(before, lastHash)) {
            find(
                    Finding.Kind.CHANGED,
                    sequence,
                    "to follow a record with hash " + hex(before),
                    (lastSequence == 0 ? "the start of " + stream + ", " : "record " + lastSequence + " with hash ")
                            + hex(lastHash) + "; one of the two was changed, or something was put in or taken out");
        }
        if (sequence >= next) {
            next = sequence + 1;
            lastSequence = sequence;
            System.arraycopy(own, 0, lastHash, 0, own.length);
            compareHead(sequence);
        }
    }

    private void compareHead(long sequence) {
        String expected = expectedHeads.remove(sequence);
        if (expected != null && !expected.equalsIgnoreCase(hex(computed))) {
            find(Finding.Kind.REWRITTEN, sequence, "hash " + expected, "hash " + hex(computed));
        }
    }

    private void end() {
        expectedHeads.forEach((sequence, hash) -> {
            if (sequence >= next) {
                find(Finding.Kind.CUT, next, range(next, sequence), "the end");
            }
        });
        expectedHeads.clear();
    }

    private static String range(long first, long last) {
        return first == last ? "record " + first : "records " + first + " to " + last;
    }

    private void find(Finding.Kind kind, long sequence, String expected, String found) {
        findingCount++;
        if (findings.size() < FINDINGS_MAX) {
            findings.add(new Finding(kind, sequence, expected, found));
        }
    }

    private static String hex(byte[] hash) {
        return HexFormat.of().formatHex(hash);
    }

    public String stream() {
        return stream;
    }

    public boolean isIntact() {
        return findingCount == 0;
    }

    /** The first ones. */
    public List<Finding> findings() {
        return List.copyOf(findings);
    }

    public long findingCount() {
        return findingCount;
    }

    public long recordCount() {
        return recordCount;
    }

    /** Records of which the chain itself says that they were lost when they were made. */
    public long lostCount() {
        return lostCount;
    }

    /** Sequence of the newest record; 0 for none. */
    public long headSequence() {
        return next - 1;
    }

    /** Its hash in hex digits; for an empty chain what its first record stands on. */
    public String headHash() {
        return hex(lastHash);
    }
}
