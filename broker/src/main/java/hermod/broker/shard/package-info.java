/**
 * One thread per shard: its rings, its turns, its clock. Knows nothing of topics, sessions or sockets.
 *
 * <p>Read {@link hermod.broker.shard.Shard} first.
 */
package hermod.broker.shard;
