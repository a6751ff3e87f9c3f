package hermod.client;

/**
 * What the broker told in WELCOME that it allows this connection.
 *
 * @param frameBytes largest whole frame.
 * @param payloadBytes largest payload of one event.
 * @param topicsPerConnection topics subscribed and published to at a time.
 * @param publishWindowEvents events that may be published and not acknowledged; 0 means not enforced.
 * @param publishWindowBytes the same in bytes; 0 means not enforced.
 * @param publishesPerSecond 0 means unlimited.
 * @param publishBytesPerSecond 0 means unlimited.
 */
public record BrokerLimits(
        int frameBytes,
        int payloadBytes,
        int topicsPerConnection,
        int publishWindowEvents,
        long publishWindowBytes,
        int publishesPerSecond,
        long publishBytesPerSecond) {}
