package hermod.bench.scenario;

import hermod.bench.report.RunResult;

/**
 * What subscribers that stop cost the ones that do not, and what the stopped ones get when they go on.
 *
 * <p>The C generator is publisher and all subscribers. Rounds of four kinds take turns on one broker, in an order drawn anew for each block: the further
 * subscribers are absent, read, do not read their sockets, or read and grant no credit (a handler that is behind). Each stalled round is paired with the round of
 * its block in which they are absent, so that both have as many deliveries to make.
 */
public final class Slow implements Scenario {
    static final String NAME = "slow";

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public String description() {
        return "of 100 subscribers 1, then 10 stop reading: what it costs the others, and what the stopped ones get when they go on";
    }

    @Override
    public RunResult run(RunContext context) throws InterruptedException {
        return new SlowTrial(context).run();
    }
}
