/**
 * What must outlive a shard or reach another node, as three small interfaces: events in order, small shared values, signals between nodes.
 *
 * <p>An engine waits for disks and peers so that no shard has to: every call returns at once, and the answer comes on a thread of the engine's. Contract: {@code EngineContract}, a test suite that every engine passes.
 */
@NullMarked
package hermod.broker.engine;

import org.jspecify.annotations.NullMarked;
