/**
 * What one subscriber is owed, kept within bounds, and how it gets to the socket.
 *
 * <p>Read {@link hermod.broker.outbox.Outbox} first. Everything here is the shard's of the connection.
 */
package hermod.broker.outbox;
