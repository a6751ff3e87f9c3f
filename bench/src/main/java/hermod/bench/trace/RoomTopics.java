package hermod.bench.trace;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/**
 * Names the topic of a room and finds the room of a topic.
 *
 * <p>A room's name may hold anything; a topic's may not. Letters, digits, {@code _}, {@code -} and {@code .} stay, each other UTF-8 byte becomes
 * {@code %} and two hex digits, and the empty name is {@code %} alone, so the mapping can be reversed. Stateless, any thread.
 */
public final class RoomTopics {
    private static final String EMPTY = "%";
    private static final String HEX = "0123456789ABCDEF";

    private RoomTopics() {}

    public static String topicOf(String channel, String room) {
        StringBuilder name = new StringBuilder(channel).append(':');
        if (room.isEmpty()) {
            return name.append(EMPTY).toString();
        }
        for (byte b : room.getBytes(StandardCharsets.UTF_8)) {
            if (isSafe(b)) {
                name.append((char) b);
            } else {
                name.append('%').append(HEX.charAt((b >> 4) & 0xf)).append(HEX.charAt(b & 0xf));
            }
        }
        return name.toString();
    }

    /** @throws IllegalArgumentException if {@link #topicOf} never made such a name. */
    public static String roomOf(String topic) {
        String name = topic.substring(topic.indexOf(':') + 1);
        if (name.equals(EMPTY)) {
            return "";
        }
        ByteArrayOutputStream room = new ByteArrayOutputStream();
        for (int i = 0; i < name.length(); i++) {
            char c = name.charAt(i);
            if (c == '%') {
                if (i + 2 >= name.length()) {
                    throw new IllegalArgumentException("no topic of a room: " + topic);
                }
                room.write(Integer.parseInt(name.substring(i + 1, i + 3), 16));
                i += 2;
            } else {
                room.write(c);
            }
        }
        return room.toString(StandardCharsets.UTF_8);
    }

    private static boolean isSafe(byte b) {
        return (b >= 'a' && b <= 'z')
                || (b >= 'A' && b <= 'Z')
                || (b >= '0' && b <= '9')
                || b == '_'
                || b == '-'
                || b == '.';
    }
}
