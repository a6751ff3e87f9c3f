/**
 * Frames as flyweights over a {@link io.netty.buffer.ByteBuf}, each drawn byte by byte: nothing is allocated to read or to write one.
 *
 * <p>A flyweight is valid until the next {@code wrap} and never stored. Read {@link hermod.protocol.frame.FrameHeader} first.
 */
package hermod.protocol.frame;
