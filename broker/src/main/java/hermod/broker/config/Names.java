package hermod.broker.config;

import java.util.Collection;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** How settings are called: kebab-case keys from component names, and the nearest key to a mistyped one. Stateless, any thread. */
final class Names {
    private static final int DISTANCE_MAX = 3;

    private Names() {}

    /** {@code goalP95Ms} to {@code goal-p95-ms}. */
    static String kebab(String camel) {
        StringBuilder key = new StringBuilder();
        for (int i = 0; i < camel.length(); i++) {
            char c = camel.charAt(i);
            if (Character.isUpperCase(c)) {
                key.append('-').append(Character.toLowerCase(c));
            } else {
                key.append(c);
            }
        }
        return key.toString();
    }

    static String kebab(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** The key most like {@code typed}, or null if none is near. */
    static @Nullable String nearest(String typed, Collection<String> keys) {
        String best = null;
        int bestDistance = DISTANCE_MAX + 1;
        for (String key : keys) {
            int distance = distance(typed, key);
            if (distance < bestDistance) {
                bestDistance = distance;
                best = key;
            }
        }
        return best;
    }

    /** Levenshtein distance; both are short. */
    private static int distance(String a, String b) {
        if (Math.abs(a.length() - b.length()) > DISTANCE_MAX) {
            return DISTANCE_MAX + 1;
        }
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int substituted = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(substituted, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
