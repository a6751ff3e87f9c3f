package hermod.protocol;

import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * A topic's name that keeps the rules of section 5 of the protocol: {@code channel:rest}, for example {@code chat:room_7}.
 *
 * <p>Immutable, any thread.
 */
public final class TopicName {
    private final String name;
    private final int colon;

    private TopicName(String name, int colon) {
        this.name = name;
        this.colon = colon;
    }

    /** @throws IllegalArgumentException with a sentence that says which rule is broken. */
    public static TopicName of(String name) {
        String fault = faultOf(name);
        if (fault != null) {
            throw new IllegalArgumentException(fault);
        }
        return new TopicName(name, name.indexOf(':'));
    }

    /** One sentence on the rule a name breaks, or null for a good name. */
    public static @Nullable String faultOf(String name) {
        int colon = name.indexOf(':');
        if (colon <= 0) {
            return "topic name has no channel: expected channel:name, for example chat:room_7, got '" + shown(name)
                    + "'";
        }
        if (colon > ProtocolLimits.CHANNEL_NAME_BYTES || !isLetter(name.charAt(0))) {
            return "channel must be a letter and at most 63 letters, digits, _ or -, got '" + shown(name) + "'";
        }
        for (int i = 1; i < colon; i++) {
            char c = name.charAt(i);
            if (!isLetter(c) && (c < '0' || c > '9') && c != '_' && c != '-') {
                return "channel must be a letter and at most 63 letters, digits, _ or -, got '" + shown(name) + "'";
            }
        }
        int levels = 1;
        int levelStart = colon + 1;
        for (int i = colon + 1; i < name.length(); i++) {
            char c = name.charAt(i);
            if (c == ':') {
                if (i == levelStart) {
                    return "topic name has an empty level: '" + shown(name) + "'";
                }
                levels++;
                levelStart = i + 1;
            } else if (c <= ' ' || (c >= 0x7f && c <= 0x9f) || c == '*') {
                return "topic name must not hold blanks, control characters or *: '" + shown(name) + "'";
            } else if (Character.isHighSurrogate(c)
                    && i + 1 < name.length()
                    && Character.isLowSurrogate(name.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(c)) {
                // It has no UTF-8: it would travel as '?' and name another topic.
                return "topic name holds half a surrogate pair: '" + shown(name) + "'";
            }
        }
        if (levelStart == name.length()) {
            return "topic name ends in an empty level: '" + shown(name) + "'";
        }
        if (levels > ProtocolLimits.TOPIC_LEVELS - 1) {
            return "topic name has too many levels: levels=" + (levels + 1) + ", limit=" + ProtocolLimits.TOPIC_LEVELS;
        }
        int bytes = name.getBytes(StandardCharsets.UTF_8).length;
        if (bytes > ProtocolLimits.TOPIC_NAME_BYTES) {
            return "topic name too long: bytes=" + bytes + ", limit=" + ProtocolLimits.TOPIC_NAME_BYTES;
        }
        return null;
    }

    /** Text from a stranger, made fit for a log line or an error sentence: at most 80 characters, control characters as '?'. */
    public static String shown(String text) {
        StringBuilder safe = new StringBuilder();
        for (int i = 0; i < Math.min(text.length(), 80); i++) {
            char c = text.charAt(i);
            safe.append(c < ' ' || (c >= 0x7f && c <= 0x9f) || c == '\u2028' || c == '\u2029' ? '?' : c);
        }
        return safe.append(text.length() > 80 ? "…" : "").toString();
    }

    private static boolean isLetter(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }

    /** The part before the first colon. */
    public String channel() {
        return name.substring(0, colon);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof TopicName that && name.equals(that.name);
    }

    @Override
    public int hashCode() {
        return name.hashCode();
    }

    /** The whole name. */
    @Override
    public String toString() {
        return name;
    }
}
