/** Building blocks of a load: the clients, the open-loop clock, the window, the payload's stamp, latency and progress. */
@NullMarked
package hermod.bench.load;

import org.jspecify.annotations.NullMarked;
