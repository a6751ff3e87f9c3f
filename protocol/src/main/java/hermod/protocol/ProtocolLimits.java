package hermod.protocol;

/** Bounds that belong to the protocol itself: they hold for every broker and client, whatever is configured. */
public final class ProtocolLimits {
    /** Bytes of a whole frame until WELCOME. */
    public static final int HANDSHAKE_FRAME_BYTES = 16 * 1024;

    /** A control frame to a client, in bytes: WELCOME and SUBSCRIBED may answer for a thousand topics. */
    public static final int CONTROL_FRAME_TO_CLIENT_BYTES = 1024 * 1024;

    /** The frames of one BATCH before compression, in bytes. */
    public static final int BATCH_BYTES = 1024 * 1024;

    /** What a frame may have beyond its payload, in bytes. */
    public static final int FRAME_OVERHEAD_BYTES = 16 * 1024;

    /** Default of the payload limit, in bytes. */
    public static final int PAYLOAD_BYTES_DEFAULT = 256 * 1024;

    /** No configuration may set a larger payload limit, in bytes. */
    public static final int PAYLOAD_BYTES_CEILING = 8 * 1024 * 1024;

    public static final int TOPIC_NAME_BYTES = 255;
    public static final int CHANNEL_NAME_BYTES = 64;
    public static final int TOPIC_LEVELS = 16;

    /** All fields of an event together as published, in bytes. */
    public static final int FIELDS_BYTES = 8 * 1024;

    public static final int ATTRIBUTE_COUNT = 32;
    public static final int ATTRIBUTE_KEY_BYTES = 64;
    public static final int ATTRIBUTE_VALUE_BYTES = 1024;
    public static final int METADATA_BYTES = 4 * 1024;
    public static final int TYPE_NAME_BYTES = 64;
    public static final int USER_ID_BYTES = 128;
    public static final int DEVICE_ID_BYTES = 128;

    /** Of a key of a state topic. */
    public static final int KEY_BYTES = 128;

    public static final int TOKEN_BYTES = 8 * 1024;

    /** Topics in one SUBSCRIBE, OPEN or REPLACE. */
    public static final int TOPICS_PER_REQUEST = 1_000;

    /** Events of one HISTORY_PAGE. */
    public static final int HISTORY_PAGE_EVENTS = 300;

    /** The same where a HISTORY asks for no number. */
    public static final int HISTORY_PAGE_EVENTS_DEFAULT = 100;

    /** Events of one FETCHED. */
    public static final int FETCHED_EVENTS = 1_000;

    /** Of the name of a consumer group. */
    public static final int GROUP_NAME_BYTES = 64;

    /** Sequence values per (producer, topic) that a broker remembers below the highest it saw. */
    public static final int SEQUENCE_WINDOW = 1_024;

    /** ERROR frames after which a connection is closed. */
    public static final int ERRORS_PER_CONNECTION = 100;

    private ProtocolLimits() {}
}
