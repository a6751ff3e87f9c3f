/**
 * Sockets: bytes to frames and back. The only package that knows Netty's channels and event loops.
 *
 * <p>Read {@link hermod.broker.transport.ConnectionPipeline} first.
 */
package hermod.broker.transport;
