package hermod.broker.metrics;

import java.util.Locale;

/** What a broker counts beside its channels. {@code METRICS.md} is generated from this enum. */
public enum Counter {
    CONNECTIONS_ACCEPTED("Sockets accepted."),
    CONNECTIONS_WELCOMED("Handshakes that ended in WELCOME."),
    CONNECTIONS_REFUSED("Handshakes that ended in CLOSE."),
    CONNECTIONS_CLOSED("Connections that ended, for any reason."),
    CONNECTIONS_SILENT(
            "Connections closed because nothing was received for the silence timeout. Rises when networks fail."),
    CONNECTIONS_SLOW("Connections closed because their outbox was full. Look at these clients' handlers and networks."),
    CONNECTIONS_LAGGED("Connections closed because events were overrun inside the broker. Raise the ring capacity."),
    FRAMES_RECEIVED("Frames received."),
    FRAMES_BAD("Frames that broke the protocol and ended their connection."),
    ERRORS_SENT("Requests refused with ERROR."),
    PUBLISHES_BACK_PRESSURED("Events refused because a ring was full, or their connection's publish window."),
    PUBLISHES_RATE_LIMITED("Events refused because their connection published faster than it may."),
    PUBLISHES_USER_RATE_LIMITED(
            "Events refused because their user published faster than the channel allows, or more URGENT ones than may be."),
    PUBLISHES_NOT_ENABLED("Events refused because an operator has switched their channel or their user off."),
    READS_STOPPED(
            "Times a connection was not read from, because half of what it may be owed in answers waited for it. Rises with clients that ask and don't read."),
    RECORDS_DELAYED(
            "Records between shards that found a ring full and were offered again. Raise the ring capacity when it keeps rising."),
    OUTCOMES_LOST(
            "Answers to publishers on another shard that could not be sent; the publisher sends again and is told DUPLICATE."),
    PRODUCERS_FORGOTTEN(
            "Producers whose sequences were forgotten at a bound before their topic was. Raise the bound: a retry could be delivered twice."),
    SOCKET_FLUSHES("Flushes of an outbox to its socket."),
    DEFECTS("Exceptions that reached a shard's last line of defence. Each is logged; any at all is a defect.");

    private final String meaning;

    Counter(String meaning) {
        this.meaning = meaning;
    }

    /** The name operators see. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** What it counts, and what to do when it moves where that is not plain. */
    public String meaning() {
        return meaning;
    }
}
