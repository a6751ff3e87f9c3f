/**
 * An event's way from the session that published it to the outboxes of those who want it.
 *
 * <p>{@link hermod.broker.dispatch.Publisher} runs on the publisher's shard, {@link hermod.broker.dispatch.TopicDispatcher} on the topic's home, {@link hermod.broker.dispatch.Fanout} on the subscriber's; {@link
 * hermod.broker.dispatch.Dispatch} is the three of one shard together. {@link hermod.broker.dispatch.RingRecords} draws what they send each other.
 */
package hermod.broker.dispatch;
