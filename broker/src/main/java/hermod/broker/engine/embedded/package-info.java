/**
 * The engine of one machine: a journal that is synced before anything is acknowledged, and behind it RocksDB, which keeps what the journal has written.
 *
 * <p>Start at {@link hermod.broker.engine.embedded.EmbeddedEngine}. The journal's thread writes and syncs; the store's thread applies what was synced; readers answer from the store. See ADR 0060 and 0061.
 */
@NullMarked
package hermod.broker.engine.embedded;

import org.jspecify.annotations.NullMarked;
