package hermod.bench.scenario;

import hermod.protocol.Feature;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * One round of the generator's mode {@code slow}, or its last line, as {@code key=value} words. Immutable.
 *
 * @param keys as {@code bench/interop/README.md} explains them.
 */
record SlowRound(Map<String, String> keys) {
    /** The kinds of rounds, by the letter that the generator knows them by. */
    enum Kind {
        ABSENT('a', "nobody but the others"),
        READING('r', "all read"),
        SOCKET('s', "do not read"),
        HANDLER('h', "grant no credit");

        private final char letter;
        private final String words;

        Kind(char letter, String words) {
            this.letter = letter;
            this.words = words;
        }

        char letter() {
            return letter;
        }

        String words() {
            return words;
        }

        String label() {
            return name().toLowerCase(Locale.ROOT);
        }

        /** Feature bits that a broker must have agreed to. */
        long needs() {
            return switch (this) {
                case ABSENT, READING -> 0;
                case SOCKET -> Feature.GAP.bit();
                case HANDLER -> Feature.GAP.bit() | Feature.CREDIT.bit();
            };
        }

        /** Whether the further subscribers stop in it. */
        boolean isStalled() {
            return this == SOCKET || this == HANDLER;
        }
    }

    SlowRound {
        keys = Map.copyOf(keys);
    }

    static SlowRound parse(String line) {
        Map<String, String> keys = new LinkedHashMap<>();
        for (String word : line.strip().split(" +")) {
            int equals = word.indexOf('=');
            if (equals > 0) {
                keys.put(word.substring(0, equals), word.substring(equals + 1));
            }
        }
        return new SlowRound(keys);
    }

    /** Of the warm-up it is 0. */
    int block() {
        return (int) count("block");
    }

    Kind kind() {
        return Kind.valueOf(text("kind").toUpperCase(Locale.ROOT));
    }

    String text(String key) {
        return keys.getOrDefault(key, "");
    }

    /** NaN where there is none. */
    double number(String key) {
        String text = keys.get(key);
        return text == null ? Double.NaN : Double.parseDouble(text);
    }

    /** 0 where there is none. */
    long count(String key) {
        String text = keys.get(key);
        return text == null ? 0 : Long.parseLong(text);
    }
}
