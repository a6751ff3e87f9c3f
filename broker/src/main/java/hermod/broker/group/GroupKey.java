package hermod.broker.group;

import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/** What names a group. Immutable. */
record GroupKey(String org, String channel, String name) {
    private static final Pattern NAME = Pattern.compile("[a-zA-Z0-9._-]{1,64}");

    static boolean isName(String name) {
        return NAME.matcher(name).matches();
    }

    /** Its key in the engine's state: the three, with a 0 in between, which none of them has. */
    byte[] bytes() {
        return (org + '\0' + channel + '\0' + name).getBytes(StandardCharsets.UTF_8);
    }

    /** @throws IllegalArgumentException for what {@link #bytes} did not make. */
    static GroupKey of(byte[] bytes) {
        String[] parts = new String(bytes, StandardCharsets.UTF_8).split("\0", -1);
        if (parts.length != 3) {
            throw new IllegalArgumentException("no key of a group: parts=" + parts.length);
        }
        return new GroupKey(parts[0], parts[1], parts[2]);
    }
}
