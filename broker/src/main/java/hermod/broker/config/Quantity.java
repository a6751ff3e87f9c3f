package hermod.broker.config;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Whole numbers with a unit as operators write them: {@code 256KiB}, {@code 15s}. Stateless, any thread. */
public final class Quantity {
    public static final String BYTES = "bytes";
    public static final String US = "us";
    public static final String MS = "ms";
    public static final String SECONDS = "s";

    private static final Pattern TEXT = Pattern.compile("([0-9]{1,18})\\s*([a-zA-Z]*)");

    /** Unit to bytes, largest last. */
    private static final Map<String, Long> SIZES = new LinkedHashMap<>();

    /** Unit to microseconds, largest last. */
    private static final Map<String, Long> TIMES = new LinkedHashMap<>();

    static {
        SIZES.put("B", 1L);
        SIZES.put("KiB", 1L << 10);
        SIZES.put("MiB", 1L << 20);
        SIZES.put("GiB", 1L << 30);
        TIMES.put("us", 1L);
        TIMES.put("ms", 1_000L);
        TIMES.put("s", 1_000_000L);
        TIMES.put("m", 60_000_000L);
        TIMES.put("h", 3_600_000_000L);
        TIMES.put("d", 86_400_000_000L);
    }

    private Quantity() {}

    /**
     * Reads a whole number, with or without a unit of the setting's own kind.
     *
     * @param unit the setting's unit; a plain number is in it.
     * @return empty if the text is none, has a unit of another kind, does not come out whole in {@code unit}, or overflows.
     */
    public static OptionalLong parse(String text, String unit) {
        String trimmed = text.trim();
        boolean negative = trimmed.startsWith("-");
        Matcher matcher = TEXT.matcher(negative ? trimmed.substring(1) : trimmed);
        if (!matcher.matches()) {
            return OptionalLong.empty();
        }
        long number = Long.parseLong(matcher.group(1)) * (negative ? -1 : 1);
        String given = matcher.group(2);
        if (given.isEmpty()) {
            return OptionalLong.of(number);
        }
        Map<String, Long> scale = scaleOf(unit);
        for (Map.Entry<String, Long> step : scale.entrySet()) {
            if (step.getKey().toLowerCase(Locale.ROOT).equals(given.toLowerCase(Locale.ROOT))) {
                return inUnit(number, step.getValue(), smallestIn(unit));
            }
        }
        return OptionalLong.empty();
    }

    private static OptionalLong inUnit(long number, long factor, long divisor) {
        try {
            long smallest = Math.multiplyExact(number, factor);
            return smallest % divisor == 0 ? OptionalLong.of(smallest / divisor) : OptionalLong.empty();
        } catch (ArithmeticException tooLarge) {
            return OptionalLong.empty();
        }
    }

    /** The number as short as it can be said exactly: {@code 262144} bytes is {@code 256KiB}. */
    static String text(long value, String unit) {
        long factor = smallestIn(unit);
        String best = "";
        if (value != 0 && Math.abs(value) <= Long.MAX_VALUE / factor) {
            long smallest = value * factor;
            for (Map.Entry<String, Long> step : scaleOf(unit).entrySet()) {
                if (smallest % step.getValue() == 0) {
                    best = smallest / step.getValue() + step.getKey();
                }
            }
        }
        return best.isEmpty() ? Long.toString(value) : best;
    }

    /** An example to show beside a wrong value, or the empty string. */
    static String example(String unit) {
        return switch (unit) {
            case BYTES -> "256KiB";
            case US -> "50us";
            case MS, SECONDS -> "15s";
            default -> "";
        };
    }

    private static Map<String, Long> scaleOf(String unit) {
        return switch (unit) {
            case BYTES -> SIZES;
            case US, MS, SECONDS -> TIMES;
            default -> Map.of();
        };
    }

    /** How many of its scale's smallest unit a unit is. */
    private static long smallestIn(String unit) {
        return switch (unit) {
            case MS -> 1_000L;
            case SECONDS -> 1_000_000L;
            default -> 1L;
        };
    }
}
