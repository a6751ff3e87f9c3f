/** A run's result with the machine, JDK, flags and commit it came from; as text and as JSON. */
@NullMarked
package hermod.bench.report;

import org.jspecify.annotations.NullMarked;
