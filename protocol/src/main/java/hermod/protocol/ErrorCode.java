package hermod.protocol;

import org.jspecify.annotations.Nullable;

/**
 * Why one request was refused while the connection goes on.
 *
 * <p>The range is the verdict: 1000–1999 do not repeat the request unchanged, 2000–2999 repeat it later. The table in {@code PROTOCOL.md} is generated
 * from this enum and {@link CloseCode}.
 */
public enum ErrorCode {
    UNKNOWN_FRAME(1001, "The frame type is not known, or was sent the wrong way."),
    UNSUPPORTED(1002, "The frame or feature is part of the protocol, but this broker does not have it yet."),
    BAD_TOPIC_NAME(1003, "The topic name breaks the rules of section 5."),
    UNKNOWN_CHANNEL(1004, "The part before the first colon names no channel of this broker."),
    FORBIDDEN(1005, "The token gives no right to do this."),
    UNKNOWN_HANDLE(1006, "The connection does not hold this handle."),
    PAYLOAD_TOO_LARGE(1007, "The payload is larger than the limit told in WELCOME."),
    TOO_MANY_TOPICS_HELD(1008, "The connection holds as many topics as it may."),
    EXPIRED(1009, "The event's time to live had passed when it arrived."),
    SEQUENCE_TOO_OLD(
            1010, "The sequence is further back than the broker remembers; it cannot tell whether it is a duplicate."),
    BAD_EVENT(1011, "The event's fields break the rules of section 6.1."),
    BAD_REQUEST(1012, "The message is well formed but asks for something impossible; the sentence says what."),
    TOKEN_REJECTED(1013, "The new token is not valid, or for another user or org; the old one stays."),
    BAD_REPORT(1014, "The report counts more events than were delivered, or names an unknown channel."),
    NOT_ENABLED(1015, "Service is switched off for this user or channel."),
    BAD_FILTER(1016, "The filter breaks the rules of section 6.5, or is larger than this broker takes."),
    TOO_MANY_SCHEDULES(1017, "The user, or the broker, has as many scheduled events as it may."),
    CONFLICT(1018, "The key's version is not the one that the writer expects; the outcome's offset says which it is."),
    TOO_MANY_KEYS(
            1019, "The topic, or the broker, has as many keys as it may; a new one has room when another is deleted."),
    TOO_MANY_GROUPS(
            1020,
            "The org has as many groups, the group as many members, or the connection as many memberships, as it may."),
    NOT_A_MEMBER(1021, "The membership is not, or no longer, this connection's."),

    BACK_PRESSURED(2001, "A queue on the way is full."),
    RATE_LIMITED(2002, "The connection publishes faster than it may, or its user faster than the channel allows."),
    TOO_MANY_TOPICS(2003, "The broker holds as many topics as it may."),
    UNAVAILABLE(2004, "The broker is starting or stopping, or can't read what it has stored."),
    NOT_STORED(
            2005,
            "The event could not be stored; on a channel that delivers early it was delivered, and sending it again stores it."),
    STORE_FULL(2006, "The broker's disk is full; the event was not taken.");

    private static final int FIRST_RETRY = 2000;

    private final int code;
    private final String meaning;

    ErrorCode(int code, String meaning) {
        this.code = code;
        this.meaning = meaning;
    }

    public int code() {
        return code;
    }

    /** One sentence for people. */
    public String meaning() {
        return meaning;
    }

    /** Whether the same request may succeed later. */
    public boolean isRetryable() {
        return isRetryable(code);
    }

    /** The same verdict for a code that this version does not know. */
    public static boolean isRetryable(int code) {
        return code >= FIRST_RETRY;
    }

    /** Null for a code that this version does not know. */
    public static @Nullable ErrorCode ofCode(int code) {
        for (ErrorCode known : values()) {
            if (known.code == code) {
                return known;
            }
        }
        return null;
    }

    /** The code's name, or its number for one that this version does not know. */
    public static String nameOf(int code) {
        ErrorCode known = ofCode(code);
        return known == null ? Integer.toString(code) : known.name();
    }
}
