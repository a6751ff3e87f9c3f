package hermod.protocol;

import java.util.concurrent.TimeUnit;

/** The event types Hermod knows, with their default time to live; every other type is the application's own (code 0 and a name). */
public enum EventType {
    CHAT_MESSAGE(1, TimeUnit.HOURS.toSeconds(24)),
    TYPING_INDICATOR(2, 5),
    READ_RECEIPT(3, TimeUnit.HOURS.toSeconds(24)),
    PRESENCE_UPDATE(4, TimeUnit.MINUTES.toSeconds(5)),
    NOTIFICATION(5, TimeUnit.DAYS.toSeconds(7)),
    FEED_UPDATE(6, TimeUnit.HOURS.toSeconds(1)),
    MATCH_CREATED(7, TimeUnit.HOURS.toSeconds(24)),
    LIKE_RECEIVED(8, TimeUnit.HOURS.toSeconds(24));

    /** The code of a type that is the application's own. */
    public static final int CUSTOM = 0;

    private static final EventType[] BY_CODE = values();

    private final int code;
    private final long ttlSeconds;

    EventType(int code, long ttlSeconds) {
        this.code = code;
        this.ttlSeconds = ttlSeconds;
    }

    public int code() {
        return code;
    }

    /** Default time to live in seconds. */
    public long ttlSeconds() {
        return ttlSeconds;
    }

    /** Whether the code is one of those above or {@link #CUSTOM}. */
    public static boolean isKnown(int code) {
        return code >= CUSTOM && code <= BY_CODE.length;
    }

    /** The default time to live of a type code in seconds; 0, meaning none, for the application's own types. */
    public static long ttlSecondsOf(int code) {
        return code > CUSTOM && code <= BY_CODE.length ? BY_CODE[code - 1].ttlSeconds : 0;
    }

    /** Whether events of a type count as unread for those who have not read them: messages, notices and the application's own; not what only tells a state. */
    public static boolean isCountable(int code) {
        return code == CUSTOM
                || code == CHAT_MESSAGE.code
                || code == NOTIFICATION.code
                || code == MATCH_CREATED.code
                || code == LIKE_RECEIVED.code;
    }

    /** The code of a type's name, or {@link #CUSTOM} for a name of the application's own. */
    public static int codeOf(String name) {
        for (EventType type : BY_CODE) {
            if (type.name().equals(name)) {
                return type.code;
            }
        }
        return CUSTOM;
    }

    /** The name of a type code; the empty string for the application's own types. */
    public static String nameOf(int code) {
        return code > CUSTOM && code <= BY_CODE.length ? BY_CODE[code - 1].name() : "";
    }
}
