/**
 * Connections over raw sockets in the protocols of Hermod and the brokers it is measured beside: no SDK queues, picks an order or retries. Scenarios that measure the broker alone use them.
 */
@NullMarked
package hermod.bench.wire;

import org.jspecify.annotations.NullMarked;
