package hermod.broker.topic;

/**
 * A channel as the broker runs it: its policy and the dense number that metrics count it under. Immutable.
 *
 * @param index from 0, dense over the channels of this broker.
 */
public record Channel(int index, String name, ChannelPolicy policy) {}
