package hermod.bench.crash;

import java.util.List;

/**
 * What all clients of a run have in common. Immutable.
 *
 * @param runId tells this run's events from others.
 * @param port of the broker, the same in all its lives.
 * @param topics by index.
 * @param originNs of the logs' times.
 */
record RunPlan(int runId, int port, String token, List<String> topics, long originNs) {
    RunPlan {
        topics = List.copyOf(topics);
    }

    ClientLog log(String name, boolean isApplication) {
        return new ClientLog(name, isApplication, originNs);
    }

    int topicOf(String name) {
        return topics.indexOf(name);
    }
}
