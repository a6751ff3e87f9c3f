/**
 * The words both ends of a connection share: priorities, codes, names, limits.
 *
 * <p>No thread, no I/O, no channel policy. Read {@code PROTOCOL.md} first, then {@link hermod.protocol.frame.FrameHeader}.
 */
package hermod.protocol;
