package hermod.broker.topic;

import hermod.protocol.TopicName;

/**
 * What a topic is to everybody: its name, its handle, its home. Immutable, any thread; what changes is in the home shard's {@link TopicLog}.
 *
 * @param handle the number on the wire, see {@link HandleTable}; never 0.
 * @param epoch in which its offsets are comparable: a new one each time the broker starts to know the topic.
 * @param homeShard the shard that gives its offsets.
 */
public record Topic(int handle, String org, TopicName name, Channel channel, int epoch, int homeShard) {}
