/**
 * Control messages: protobuf inside a frame, and the one codec that reads and writes them.
 *
 * <p>The generated classes are in {@code hermod.protocol.control.wire}; only their readers see them.
 */
package hermod.protocol.control;
