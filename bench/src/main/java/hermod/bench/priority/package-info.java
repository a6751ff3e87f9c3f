/**
 * The scenario {@code priority}: URGENT beside a flood of LOW and NORMAL to one subscriber that reads at a fixed rate, on Hermod and its peers, and the
 * latency of every lane at shares of the measured capacity. Clients are raw sockets here, so that priority is decided in the broker and nowhere else.
 */
@NullMarked
package hermod.bench.priority;

import org.jspecify.annotations.NullMarked;
