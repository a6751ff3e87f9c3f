package hermod.bench.scenario;

import hermod.bench.report.RunResult;

/** One named load test. */
public interface Scenario {
    /** Its name on the command line and in the result's {@code workload}. */
    String name();

    /** One sentence for {@code --help}. */
    String description();

    /**
     * Runs it once against a broker that is there.
     *
     * @throws hermod.bench.load.BenchFailure where an option makes no sense or the broker cannot be used.
     * @throws InterruptedException where somebody wants the run to end.
     */
    RunResult run(RunContext context) throws InterruptedException;
}
