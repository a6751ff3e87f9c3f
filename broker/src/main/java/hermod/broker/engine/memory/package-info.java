/** An engine that keeps everything in memory and forgets it at its end: for warming up, and for tests. */
@NullMarked
package hermod.broker.engine.memory;

import org.jspecify.annotations.NullMarked;
