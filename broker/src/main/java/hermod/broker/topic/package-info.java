/**
 * Which topics exist, what their recent events are, and who on a shard wants them.
 *
 * <p>{@link hermod.broker.topic.Topic} is the identity any thread may hold; {@link hermod.broker.topic.TopicLog} is the home shard's; {@link
 * hermod.broker.topic.Subscriptions} is each subscriber shard's. Read {@code TopicLog} first.
 */
package hermod.broker.topic;
