package hermod.broker.filter;

import hermod.protocol.control.wire.Filter;
import io.netty.buffer.ByteBuf;

/**
 * A compiled filter: asked for each event, over the bytes of the EVENT frame where they lie in the chunk.
 *
 * <p>One walk over the event's attributes notes in the bits of a {@code long} which tests pass; the tree of all, any and not is then asked about those bits. No text is decoded and nothing is allocated. Immutable, any
 * thread.
 *
 * <pre>
 *   attributes  propertyId=17  price=250000          key ──▶ its tests ──▶ one bit each
 *                    │             │
 *   bits             1             0      ──▶  all(0b11)?  any(0b01)?  not?
 * </pre>
 */
public final class EventFilter {
    /** All tests of one attribute. */
    record KeyTests(byte[] key, AttributeTest[] tests, long[] bits) {}

    /** What the tree asks of the bits. */
    interface Node {
        boolean holds(long bits);
    }

    /** Matches no event: for a subscription that is granted and not in force yet. */
    public static final EventFilter NOTHING =
            new EventFilter(Filter.getDefaultInstance(), new KeyTests[0], bits -> false);

    private final Filter message;
    private final KeyTests[] keys;
    private final Node root;

    EventFilter(Filter message, KeyTests[] keys, Node root) {
        this.message = message;
        this.keys = keys;
        this.root = root;
    }

    /** @throws BadFilterException if it breaks the rules of section 6.5 or is beyond the limits. */
    public static EventFilter compile(Filter message, FilterConfig limits) throws BadFilterException {
        return new FilterCompiler(limits).compile(message);
    }

    /** As it was sent. */
    public Filter message() {
        return message;
    }

    /** As it was sent, in bytes. */
    public int bytes() {
        return message.getSerializedSize();
    }

    /**
     * Whether an event with these attributes matches.
     *
     * @param in borrowed, with the value of the field attributes at {@code at}; checked when it was published.
     * @param bytes 0 for an event without attributes.
     */
    public boolean matches(ByteBuf in, int at, int bytes) {
        long bits = 0;
        int next = at;
        int end = at + bytes;
        while (next < end) {
            int keyBytes = in.getUnsignedByte(next);
            int valueAt = next + 3 + keyBytes;
            int valueBytes = in.getUnsignedShortLE(valueAt - 2);
            for (KeyTests each : keys) {
                if (isKey(in, next + 1, keyBytes, each.key)) {
                    bits |= passed(each, in, valueAt, valueBytes);
                    break;
                }
            }
            next = valueAt + valueBytes;
        }
        return root.holds(bits);
    }

    private static boolean isKey(ByteBuf in, int at, int bytes, byte[] key) {
        if (bytes != key.length) {
            return false;
        }
        for (int i = 0; i < bytes; i++) {
            if (in.getByte(at + i) != key[i]) {
                return false;
            }
        }
        return true;
    }

    private static long passed(KeyTests key, ByteBuf in, int at, int bytes) {
        long bits = 0;
        for (int i = 0; i < key.tests.length; i++) {
            if (key.tests[i].passes(in, at, bytes)) {
                bits |= key.bits[i];
            }
        }
        return bits;
    }

    @Override
    public String toString() {
        return FilterText.of(message);
    }
}
