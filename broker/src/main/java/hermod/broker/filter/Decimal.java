package hermod.broker.filter;

import io.netty.buffer.ByteBuf;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/**
 * A bound of a range: a decimal number of any length, compared exactly with a number that stands as text in a buffer.
 *
 * <p>A number is an optional minus, digits, and optionally a point and digits: {@code 17}, {@code -0.50}, {@code 007}. Nothing else is one: no plus, no exponent, no blank, no empty text. Immutable; comparing allocates
 * nothing.
 */
final class Decimal {
    /** What {@link #compare} says of text that is no number. */
    static final int NOT_A_NUMBER = 2;

    private static final Pattern NUMBER = Pattern.compile("-?[0-9]+(\\.[0-9]+)?");

    private final BigDecimal value;
    private final int sign;

    /** Digits before the point without leading zeros, and behind it without trailing ones. */
    private final byte[] whole;

    private final byte[] fraction;

    private Decimal(BigDecimal value) {
        this.value = value;
        sign = value.signum();
        String plain = value.abs().toPlainString();
        int point = plain.indexOf('.');
        String before = point < 0 ? plain : plain.substring(0, point);
        String behind = point < 0 ? "" : plain.substring(point + 1);
        whole = before.replaceFirst("^0+", "").getBytes(StandardCharsets.US_ASCII);
        fraction = behind.replaceFirst("0+$", "").getBytes(StandardCharsets.US_ASCII);
    }

    /** @throws BadFilterException if the text is no number. */
    static Decimal parse(String text) throws BadFilterException {
        if (!NUMBER.matcher(text).matches()) {
            throw new BadFilterException(
                    "'" + text
                            + "' is no decimal number; a bound of a range is written like 17 or -0.5, without exponent and blanks");
        }
        return new Decimal(new BigDecimal(text));
    }

    int compareTo(Decimal other) {
        return value.compareTo(other.value);
    }

    /**
     * Compares the number in the buffer with this one.
     *
     * @return negative, 0 or positive as it is below, equal or above; {@link #NOT_A_NUMBER} if it is none.
     */
    int compare(ByteBuf in, int at, int bytes) {
        int end = at + bytes;
        boolean isMinus = bytes > 0 && in.getByte(at) == '-';
        int wholeAt = isMinus ? at + 1 : at;
        int point = endOfDigits(in, wholeAt, end);
        int fractionAt = point;
        if (point < end && in.getByte(point) == '.') {
            fractionAt = point + 1;
            if (fractionAt == end || endOfDigits(in, fractionAt, end) != end) {
                return NOT_A_NUMBER;
            }
        } else if (point != end) {
            return NOT_A_NUMBER;
        }
        if (point == wholeAt) {
            return NOT_A_NUMBER;
        }
        while (wholeAt < point && in.getByte(wholeAt) == '0') {
            wholeAt++;
        }
        while (end > fractionAt && in.getByte(end - 1) == '0') {
            end--;
        }
        boolean isZero = wholeAt == point && fractionAt == end;
        int signThere = isZero ? 0 : isMinus ? -1 : 1;
        if (signThere != sign) {
            return signThere < sign ? -1 : 1;
        }
        int size = compareSize(in, wholeAt, point, fractionAt, end);
        return sign < 0 ? -size : size;
    }

    private static int endOfDigits(ByteBuf in, int at, int end) {
        int next = at;
        while (next < end && in.getByte(next) >= '0' && in.getByte(next) <= '9') {
            next++;
        }
        return next;
    }

    /** −1, 0 or 1, without looking at the signs. */
    private int compareSize(ByteBuf in, int wholeAt, int wholeEnd, int fractionAt, int fractionEnd) {
        int wholeBytes = wholeEnd - wholeAt;
        if (wholeBytes != whole.length) {
            return wholeBytes < whole.length ? -1 : 1;
        }
        int order = compareDigits(in, wholeAt, wholeBytes, whole);
        return order != 0 ? order : compareDigits(in, fractionAt, fractionEnd - fractionAt, fraction);
    }

    /** Digit by digit from the left; what is a beginning of the other is smaller. */
    private static int compareDigits(ByteBuf in, int at, int count, byte[] digits) {
        int common = Math.min(count, digits.length);
        for (int i = 0; i < common; i++) {
            int difference = in.getByte(at + i) - digits[i];
            if (difference != 0) {
                return difference < 0 ? -1 : 1;
            }
        }
        return Integer.compare(count, digits.length);
    }
}
