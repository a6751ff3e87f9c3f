package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.Priority;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Decides which of a subscriber's missed events are still worth sending: for each key the newest.
 *
 * <pre>
 *   begin(attribute);  note(frame) for each, oldest first;  survives(frame) for each again;  end()
 * </pre>
 *
 * <p>The key is the value of one attribute, compared byte by byte. An event without the attribute survives, and so does one above LOW, though it makes older ones of its key superfluous, and one that leaves a device out, which may be the subscriber's and takes nobody's place. Keys beyond the bound survive too: then more is sent, never less. Note only what the
 * subscriber would be sent: an event that its filter leaves out must not take the place of one that it would get. In the steady state nothing is allocated; the frames' memory is kept by the caller until {@link #end}.
 */
@RunsOn(Owner.SHARD)
public final class Conflation {
    private static final int NONE = -1;
    private static final int ALWAYS_SENT_MASK = FrameHeader.FLAG_PRIORITY | FrameHeader.FLAG_EXCLUDE_DEVICE;
    private static final long HASH_FACTOR = 0x9E37_79B9_7F4A_7C15L;

    /** Publishers choose keys, and must not be able to choose ones that fall on each other. */
    private final long seed = new SecureRandom().nextLong();

    private final int keysMax;
    private final int mask;
    private final int[] hashes;
    private final int[] valueAts;
    private final int[] valueBytes;
    private final long[] newest;
    private final @Nullable ByteBuf[] memories;
    private final int[] used;
    private int usedCount;
    private byte[] attribute = {};
    private String attributeName = "";

    /** @param keysMax keys of one pass; about 50 bytes of memory each. */
    public Conflation(int keysMax) {
        this.keysMax = keysMax;
        int slots = Integer.highestOneBit(Math.max(2, keysMax) * 2 - 1) * 2;
        mask = slots - 1;
        hashes = new int[slots];
        valueAts = new int[slots];
        valueBytes = new int[slots];
        newest = new long[slots];
        memories = new ByteBuf[slots];
        used = new int[keysMax];
    }

    /** Starts a pass over the missed events of one subscription. */
    public void begin(String attribute) {
        end();
        if (!attribute.equals(attributeName)) {
            attributeName = attribute;
            this.attribute = attribute.getBytes(StandardCharsets.UTF_8);
        }
    }

    /**
     * Notes the next event that the subscriber would be sent.
     *
     * @param in borrowed until {@link #end}: an EVENT of our own at {@code at}, of a higher offset than those before it.
     */
    public void note(ByteBuf in, int at) {
        if ((FrameHeader.flags(in, at) & FrameHeader.FLAG_EXCLUDE_DEVICE) != 0) {
            return;
        }
        int valueAt = valueAt(in, at);
        if (valueAt == NONE) {
            return;
        }
        int bytes = in.getUnsignedShortLE(valueAt - 2);
        int hash = hash(in, valueAt, bytes);
        int slot = slotOf(in, valueAt, bytes, hash);
        if (memories[slot] == null) {
            if (usedCount == keysMax) {
                return;
            }
            used[usedCount++] = slot;
            hashes[slot] = hash;
            valueAts[slot] = valueAt;
            valueBytes[slot] = bytes;
            memories[slot] = in;
        }
        newest[slot] = EventFrame.offset(in, at);
    }

    /** Whether an event of those that were noted is to be sent; one that was not noted because it may not stand for others is. */
    public boolean survives(ByteBuf in, int at) {
        int flags = FrameHeader.flags(in, at);
        if ((flags & ALWAYS_SENT_MASK) != Priority.LOW.code()) {
            return true;
        }
        int valueAt = valueAt(in, at);
        if (valueAt == NONE) {
            return true;
        }
        int bytes = in.getUnsignedShortLE(valueAt - 2);
        int slot = slotOf(in, valueAt, bytes, hash(in, valueAt, bytes));
        return memories[slot] == null || newest[slot] == EventFrame.offset(in, at);
    }

    /** Ends the pass: nothing of the frames is looked at any more. */
    public void end() {
        for (int i = 0; i < usedCount; i++) {
            memories[used[i]] = null;
        }
        usedCount = 0;
    }

    /** The slot that holds the key, or the free one where it would stand. */
    private int slotOf(ByteBuf in, int valueAt, int bytes, int hash) {
        int slot = (int) (hash * HASH_FACTOR >>> 32) & mask;
        while (true) {
            ByteBuf memory = memories[slot];
            if (memory == null
                    || (hashes[slot] == hash
                            && valueBytes[slot] == bytes
                            && areEqual(memory, valueAts[slot], in, valueAt, bytes))) {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
    }

    private static boolean areEqual(ByteBuf one, int oneAt, ByteBuf other, int otherAt, int bytes) {
        int i = 0;
        for (; i + Long.BYTES <= bytes; i += Long.BYTES) {
            if (one.getLong(oneAt + i) != other.getLong(otherAt + i)) {
                return false;
            }
        }
        for (; i < bytes; i++) {
            if (one.getByte(oneAt + i) != other.getByte(otherAt + i)) {
                return false;
            }
        }
        return true;
    }

    private int hash(ByteBuf in, int at, int bytes) {
        long hash = seed ^ bytes;
        int i = 0;
        for (; i + Long.BYTES <= bytes; i += Long.BYTES) {
            hash = (hash ^ in.getLong(at + i)) * HASH_FACTOR;
            hash ^= hash >>> 29;
        }
        for (; i < bytes; i++) {
            hash = (hash ^ in.getByte(at + i)) * HASH_FACTOR;
            hash ^= hash >>> 29;
        }
        return (int) (hash >>> 32);
    }

    /** Index of the key's first byte, with its length in the two before it; −1 without one. */
    private int valueAt(ByteBuf in, int at) {
        int entryAt = EventFrame.entryAt(in, at);
        int attributesAt = EventFields.find(
                in, entryAt + Entry.FIELDS_AT, Entry.fieldsBytes(in, entryAt), EventFields.TAG_ATTRIBUTES);
        if (attributesAt < 0) {
            return NONE;
        }
        int next = attributesAt;
        int end = attributesAt + EventFields.valueBytes(in, attributesAt);
        while (next < end) {
            int nameBytes = in.getUnsignedByte(next);
            int valueAt = next + 1 + nameBytes + 2;
            if (nameBytes == attribute.length && isNamed(in, next + 1)) {
                return valueAt;
            }
            next = valueAt + in.getUnsignedShortLE(valueAt - 2);
        }
        return NONE;
    }

    private boolean isNamed(ByteBuf in, int at) {
        for (int i = 0; i < attribute.length; i++) {
            if (in.getByte(at + i) != attribute[i]) {
                return false;
            }
        }
        return true;
    }

    /** Memory that is referred to now; a test sees that a pass leaves nothing behind. */
    long heldCount() {
        return Arrays.stream(memories).filter(memory -> memory != null).count();
    }
}
