/**
 * Who did what, and that nobody has changed it since: every safety event and every operator's action as a record in an append-only chain of hashes, kept by the engine.
 *
 * <p>There is one chain for each writer: each shard, and one for operators. Read {@link hermod.broker.audit.AuditTrail} first, which writes a chain on its writer's thread; {@link hermod.broker.audit.ChainCheck} finds what was changed, removed or moved.
 */
@NullMarked
package hermod.broker.audit;

import org.jspecify.annotations.NullMarked;
