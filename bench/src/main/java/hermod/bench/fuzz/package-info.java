/** Hostile bytes: seeded frames that are random, changed, cut short or too long, and the raw sockets that send them. */
@NullMarked
package hermod.bench.fuzz;

import org.jspecify.annotations.NullMarked;
