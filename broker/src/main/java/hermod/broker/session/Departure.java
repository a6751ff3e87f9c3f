package hermod.broker.session;

import java.util.List;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Where the clients of a broker that stops are to go, and when. Immutable, any thread.
 *
 * @param delayMs each comes back after a time drawn from 1 to this.
 * @param endpoints for TCP clients, in the order to be tried; empty for no advice.
 * @param lingerMs how long a socket stays open for what was written last.
 */
public record Departure(int delayMs, List<String> endpoints, List<String> wsEndpoints, int lingerMs) {
    int drawDelayMs() {
        return 1 + ThreadLocalRandom.current().nextInt(delayMs);
    }
}
