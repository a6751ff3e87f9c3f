package hermod.bench.crash;

import hermod.bench.BrokerProcess;
import java.util.List;

/** How a broker ends without warning. One thread. */
interface Outage {
    /** Flags of the next broker's JVM. */
    default List<String> jvmFlags() {
        return List.of();
    }

    /** Lets the broker work for a while, then ends it; it is gone when this returns, and what is in the data folder is what the next one finds. */
    void strike(BrokerProcess broker) throws InterruptedException;
}
