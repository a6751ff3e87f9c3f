/**
 * How the client works; not for applications.
 *
 * <p>One event loop owns each {@link hermod.client.internal.Session} and all it holds: connection, topics, publications, clock. Other threads get in by three
 * doors: {@code Publications.publish} and {@code Session}'s public methods enqueue, {@code Mailbox} carries received events out to the handler threads, and
 * snapshots in volatile fields are read. Read {@code Session} first, then {@code Connection}, {@code Topics}, {@code Publications}, {@code Mailbox}.
 */
package hermod.client.internal;
