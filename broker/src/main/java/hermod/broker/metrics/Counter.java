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
    CONNECTIONS_SLOW(
            "Connections closed because they took too little for too long, or missed events and could not be told. Look at these clients' handlers and networks."),
    FRAMES_RECEIVED("Frames received."),
    FRAMES_BAD("Frames that broke the protocol and ended their connection."),
    ERRORS_SENT("Requests refused with ERROR."),
    PUBLISHES_BACK_PRESSURED("Events refused because a ring was full, or their connection's publish window."),
    SUBSCRIPTIONS_REPLACED("REPLACEs carried out, asked for by clients and by operators."),
    HISTORY_PAGES("Pages of history read."),
    PUBLISHES_RATE_LIMITED("Events refused because their connection published faster than it may."),
    PUBLISHES_USER_RATE_LIMITED(
            "Events refused because their user published faster than the channel allows, or more URGENT ones than may be."),
    PUBLISHES_NOT_ENABLED("Events refused because an operator has switched their channel or their user off."),
    READS_STOPPED(
            "Times a connection was not read from, because half of what it may be owed in answers waited for it. Rises with clients that ask and don't read."),
    RECORDS_DELAYED(
            "Records between shards that found a ring full and were offered again. Raise the ring capacity when it keeps rising."),
    RUNS_OVERRUN(
            "Runs not sent to a shard because too many waited for it; its subscribers read on from the replay window. Raise the ring capacity when it keeps rising."),
    WINDOW_READS("Reads of a replay window for subscribers that had fallen behind or came back."),
    WINDOWS_SHORTENED(
            "Times a replay window was cut below its channel's window-min-events. Raise topic.replay-limit-bytes."),
    SUBSCRIPTIONS_BEHIND(
            "Times a subscription fell behind: its outbox was full or evicted it, or its run was overrun."),
    EVICTED_LOW(
            "Events taken back from the LOW lane of an outbox for a higher one; they are read again from the replay window."),
    EVICTED_NORMAL("The same from the NORMAL lane."),
    EVICTED_HIGH("The same from the HIGH lane."),
    GAPS_SENT("GAPs announced to subscribers."),
    QUARANTINES(
            "Connections quarantined because they were behind too long or too often: sheddable channels were sent nothing. `stats --slow` shows who and why."),
    QUARANTINES_ENDED("Quarantines that ended because the connection took what it was owed, or their time was over."),
    CONNECTIONS_PARKED(
            "Connections that took nothing for so long that what they are owed waits in the replay windows only."),
    EVENTS_STORED("Events of durable channels that are on disk."),
    EVENTS_NOT_STORED(
            "Events of durable channels that could not be stored: refused, or, where the channel delivers early, delivered and told NOT_STORED."),
    STORE_READS("Reads of stored events for subscribers that had fallen behind or came back."),
    EVENTS_ACKNOWLEDGED(
            "Events of acknowledged channels that a device was sent and has acknowledged, each counted once for each subscription."),
    EVENTS_REDELIVERED(
            "Events of acknowledged channels sent again because the device had not acknowledged them. Look at that client's handler."),
    SAFETY_TAKEN("Events of acknowledged channels that wait for a device to acknowledge them."),
    SAFETY_ACKNOWLEDGED("Of these, those that a device other than the publisher's acknowledged in time."),
    SAFETY_ESCALATED_NO_SUBSCRIBER(
            "Events of acknowledged channels that escalated because nobody was subscribed to their topic."),
    SAFETY_ESCALATED_UNACKNOWLEDGED(
            "The same because no device other than the publisher's acknowledged them in safety.acknowledge-timeout-ms."),
    SAFETY_ESCALATED_TOO_MANY(
            "The same because safety.waiting-limit-count events of their shard waited already. Raise that."),
    SAFETY_ESCALATIONS_LOST(
            "Escalations that could not be published on safety.escalation-topic, or not be made at all because too many were under way. The log names the first."),
    SAFETY_WEBHOOKS_SENT("Escalations that the webhook has taken."),
    SAFETY_WEBHOOKS_LOST(
            "Escalations that the webhook did not take in safety.webhook-attempts-limit-count attempts, or that found safety.webhook-queue-limit-count waiting. The log says why."),
    OUTCOMES_LOST(
            "Answers to publishers on another shard that could not be sent; the publisher sends again and is told DUPLICATE."),
    PRODUCERS_FORGOTTEN(
            "Producers whose sequences were forgotten at a bound before their topic was. Raise the bound: a retry could be delivered twice."),
    SCHEDULES_SENT("Scheduled events that were published when they were due, or recognised as published before."),
    SCHEDULES_RETRIED(
            "Attempts to publish a scheduled event that are made again: its channel is switched off, the store is full, a queue is full."),
    SCHEDULES_DROPPED(
            "Scheduled events that were not sent: later than schedule.late-limit-s, past their time to live, or refused. The log names each."),
    SOCKET_FLUSHES("Flushes of an outbox to its socket."),
    RUNS_COMPRESSED(
            "Runs of batched channels that were also made as a BATCH, once for all subscribers that agreed to LZ4."),
    RUNS_NOT_COMPRESSED(
            "Runs that went plain because compression had used its share of the shard's time. Raise batching.compress-time-percent if there is time to spare."),
    COMPRESSION_SAVED_BYTES(
            "Bytes by which the compressed forms are shorter than their runs, each counted once however many subscribers it went to."),
    AUDIT_RECORDS("Records of the audit log that are on disk."),
    AUDIT_RECORDS_LOST(
            "Records of the audit log that were lost, because the disk took none and audit.kept-limit-bytes of them waited. Any at all: look why the disk fails; the chain says where they are missing."),
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
