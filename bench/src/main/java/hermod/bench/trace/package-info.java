/** What a replay publishes: real traces from a file or synthetic ones from a seed, and who of the clients plays whom. Read {@link hermod.bench.trace.TraceReader} first. */
@NullMarked
package hermod.bench.trace;

import org.jspecify.annotations.NullMarked;
