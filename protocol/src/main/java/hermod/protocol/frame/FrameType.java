package hermod.protocol.frame;

import org.jspecify.annotations.Nullable;

/** The frame types of section 3 of the protocol. */
public enum FrameType {
    HELLO(0x01, Way.TO_BROKER),
    WELCOME(0x02, Way.TO_CLIENT),
    REFRESH(0x03, Way.TO_BROKER),
    REFRESHED(0x04, Way.TO_CLIENT),
    CLOSE(0x05, Way.BOTH),
    ERROR(0x06, Way.TO_CLIENT),
    PING(0x08, Way.BOTH),
    PONG(0x09, Way.BOTH),
    SUBSCRIBE(0x10, Way.TO_BROKER),
    SUBSCRIBED(0x11, Way.TO_CLIENT),
    UNSUBSCRIBE(0x12, Way.TO_BROKER),
    UNSUBSCRIBED(0x13, Way.TO_CLIENT),
    OPEN(0x14, Way.TO_BROKER),
    OPENED(0x15, Way.TO_CLIENT),
    RESUME(0x16, Way.TO_BROKER),
    RESUMED(0x17, Way.TO_CLIENT),
    REPLACE(0x18, Way.TO_BROKER),
    REPLACED(0x19, Way.TO_CLIENT),
    HISTORY(0x1a, Way.TO_BROKER),
    HISTORY_PAGE(0x1b, Way.TO_CLIENT),
    PUBLISH(0x20, Way.TO_BROKER),
    PUBLISHED(0x21, Way.TO_CLIENT),
    EVENT(0x22, Way.TO_CLIENT),
    GAP(0x23, Way.TO_CLIENT),
    GAP_CLOSED(0x24, Way.TO_CLIENT),
    PROGRESS(0x25, Way.TO_CLIENT),
    CREDIT(0x26, Way.TO_BROKER),
    ACK(0x27, Way.TO_BROKER),
    BATCH(0x28, Way.TO_CLIENT),
    SCHEDULE(0x2a, Way.TO_BROKER),
    SCHEDULED(0x2b, Way.TO_CLIENT),
    CANCEL(0x2c, Way.TO_BROKER),
    CANCELLED(0x2d, Way.TO_CLIENT),
    SCHEDULES(0x2e, Way.TO_BROKER),
    SCHEDULE_LIST(0x2f, Way.TO_CLIENT),
    REPORT(0x30, Way.TO_BROKER),
    SERVICE(0x31, Way.TO_CLIENT),
    JOIN(0x32, Way.TO_BROKER),
    JOINED(0x33, Way.TO_CLIENT),
    FETCH(0x34, Way.TO_BROKER),
    FETCHED(0x35, Way.TO_CLIENT),
    SETTLE(0x36, Way.TO_BROKER),
    SETTLED(0x37, Way.TO_CLIENT),
    LEAVE(0x38, Way.TO_BROKER),
    LEFT(0x39, Way.TO_CLIENT);

    /** Who may send a frame. */
    public enum Way {
        TO_BROKER,
        TO_CLIENT,
        BOTH
    }

    private static final @Nullable FrameType[] BY_CODE = new FrameType[256];

    static {
        for (FrameType type : values()) {
            BY_CODE[type.code] = type;
        }
    }

    private final int code;
    private final Way way;

    FrameType(int code, Way way) {
        this.code = code;
        this.way = way;
    }

    public int code() {
        return code;
    }

    public Way way() {
        return way;
    }

    /** @return null for a code that this version does not know. */
    public static @Nullable FrameType ofCode(int code) {
        return BY_CODE[code & 0xff];
    }
}
