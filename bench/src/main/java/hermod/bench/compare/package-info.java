/**
 * Hermod beside other brokers on one machine: drives the C tools of {@code bench/interop} and makes tables, ratios and a verdict on the goals of what
 * they measured. Nothing here sends an event. Read {@link hermod.bench.compare.CompareCommand} first.
 */
@NullMarked
package hermod.bench.compare;

import org.jspecify.annotations.NullMarked;
