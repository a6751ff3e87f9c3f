/**
 * What an application uses to connect, publish and subscribe. Read {@link hermod.client.HermodClient} first.
 *
 * <p>Everything here may be called from any thread. Listeners run on the handler threads of a {@link hermod.client.ClientRuntime}, in order per topic;
 * futures complete on its completion thread. Neither is the I/O thread, so a slow listener or continuation delays other listeners or continuations but
 * never the socket. {@code hermod.client.internal} is not for applications and changes without notice.
 */
package hermod.client;
