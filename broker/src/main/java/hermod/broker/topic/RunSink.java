package hermod.broker.topic;

/** Takes a topic's new events to the shards that want them; {@code dispatch} implements it. */
public interface RunSink {
    /**
     * @param log whose {@link TopicLog#run} describes the new events; they are forgotten by the log after this call.
     * @param chunk that holds them, borrowed.
     */
    void onRun(TopicLog log, Chunk chunk, TopicLog.Run run);
}
