package hermod.bench.crash;

import hermod.bench.BrokerProcess;
import java.util.SplittableRandom;

/** kill -9 at a random moment. */
final class Kill implements Outage {
    private static final int AFTER_MS_MIN = 200;
    private static final int AFTER_MS_MAX = 900;

    private final SplittableRandom random;

    Kill(SplittableRandom random) {
        this.random = random;
    }

    @Override
    public void strike(BrokerProcess broker) throws InterruptedException {
        Thread.sleep(random.nextInt(AFTER_MS_MIN, AFTER_MS_MAX + 1));
        broker.kill();
    }
}
