/**
 * One connected client: its handshake, what it holds, whether it is alive, and the routing of its requests.
 *
 * <p>Everything here runs on the connection's shard unless it says otherwise. Read {@link hermod.broker.session.Session} first.
 */
package hermod.broker.session;
