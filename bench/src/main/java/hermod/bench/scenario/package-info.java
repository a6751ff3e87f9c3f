/** The named load tests. Each is one {@link hermod.bench.scenario.Scenario} that gets its run's means in a {@link hermod.bench.scenario.RunContext}. */
@NullMarked
package hermod.bench.scenario;

import org.jspecify.annotations.NullMarked;
