package hermod.broker.topic;

/** Whether events of a channel may wait for each other. The first after a quiet time always goes at once. */
public enum Batching {
    /** Each event goes at once. */
    NEVER,
    /** Events wait within the window as the load asks for it. */
    ADAPTIVE,
    /** The pieces of one stream are joined within the window. */
    JOIN,
    /** Only the last state within the window goes out. */
    COALESCE
}
