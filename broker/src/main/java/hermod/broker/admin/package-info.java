/**
 * What an operator can see and do: the HTTP port and the command line.
 *
 * <p>The HTTP port has threads of its own and reads snapshots; the command line is a process of its own. Read {@code AdminApi} for the
 * one and {@code AdminCli} for the other.
 */
package hermod.broker.admin;
