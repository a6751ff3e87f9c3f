package hermod.broker.filter;

import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import org.jspecify.annotations.Nullable;

/** A compiled test of one attribute's value. Immutable; asking allocates nothing. */
interface AttributeTest {
    /** @param in borrowed, with the value's bytes from {@code at} on. */
    boolean passes(ByteBuf in, int at, int bytes);

    /** The attribute is there, whatever its value. */
    AttributeTest PRESENT = (in, at, bytes) -> true;

    static AttributeTest prefix(String text) {
        byte[] prefix = text.getBytes(StandardCharsets.UTF_8);
        return (in, at, bytes) -> bytes >= prefix.length && compare(in, at, prefix, prefix.length) == 0;
    }

    /** Byte by byte, as unsigned numbers. */
    private static int compare(ByteBuf in, int at, byte[] other, int bytes) {
        for (int i = 0; i < bytes; i++) {
            int difference = in.getUnsignedByte(at + i) - (other[i] & 0xff);
            if (difference != 0) {
                return difference;
            }
        }
        return 0;
    }

    /** The value is one of a set, kept by length and then by bytes, so that looking takes a few comparisons. */
    final class In implements AttributeTest {
        private final byte[][] values;

        In(Collection<String> texts) {
            values = texts.stream()
                    .distinct()
                    .map(text -> text.getBytes(StandardCharsets.UTF_8))
                    .sorted(Comparator.<byte[]>comparingInt(value -> value.length)
                            .thenComparing(Arrays::compareUnsigned))
                    .toArray(byte[][]::new);
        }

        @Override
        public boolean passes(ByteBuf in, int at, int bytes) {
            int low = 0;
            int high = values.length - 1;
            while (low <= high) {
                int middle = (low + high) >>> 1;
                byte[] value = values[middle];
                int order = bytes != value.length ? bytes - value.length : compare(in, at, value, bytes);
                if (order == 0) {
                    return true;
                }
                if (order < 0) {
                    high = middle - 1;
                } else {
                    low = middle + 1;
                }
            }
            return false;
        }
    }

    /** The value is a number between two bounds, of which one may be missing. What is no number is not in it. */
    record Range(
            @Nullable Decimal lower,
            boolean isLowerIn,
            @Nullable Decimal upper,
            boolean isUpperIn) implements AttributeTest {
        @Override
        public boolean passes(ByteBuf in, int at, int bytes) {
            if (lower != null) {
                int order = lower.compare(in, at, bytes);
                if (order == Decimal.NOT_A_NUMBER || order < 0 || (order == 0 && !isLowerIn)) {
                    return false;
                }
            }
            if (upper != null) {
                int order = upper.compare(in, at, bytes);
                return order != Decimal.NOT_A_NUMBER && (order < 0 || (order == 0 && isUpperIn));
            }
            return true;
        }
    }
}
