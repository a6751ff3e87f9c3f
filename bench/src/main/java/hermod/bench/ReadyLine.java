package hermod.bench;

import java.util.LinkedHashMap;
import java.util.Map;

/** The one line a broker prints when it serves: {@code ready tcp=HOST:PORT ws=HOST:PORT admin=HOST:PORT data=DIR}. */
final class ReadyLine {
    private static final String READY = "ready ";
    private static final String DATA = " data=";

    private ReadyLine() {}

    /** @return values by key; empty for any other line. */
    static Map<String, String> parse(String line) {
        if (!line.startsWith(READY)) {
            return Map.of();
        }
        int dataAt = line.indexOf(DATA);
        Map<String, String> values = new LinkedHashMap<>();
        for (String pair : line.substring(READY.length(), dataAt < 0 ? line.length() : dataAt)
                .split(" ")) {
            int equals = pair.indexOf('=');
            if (equals > 0) {
                values.put(pair.substring(0, equals), pair.substring(equals + 1));
            }
        }
        if (dataAt >= 0) {
            values.put("data", line.substring(dataAt + DATA.length())); // the last one, because a path may hold blanks
        }
        return values;
    }
}
