package hermod.bench.crash;

import hermod.bench.BrokerProcess;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;

/** The broker ends itself at a named place of its journal, at the n-th time it comes by: {@code -Dhermod.crash-point=NAME:n}. */
final class CrashPoint implements Outage {
    private static final long WAIT_NS = TimeUnit.SECONDS.toNanos(20);
    private static final int POLL_MS = 5;

    /** Batches pass by hundreds a second, the ends of segments seldom. */
    private static final int BATCHES_MAX = 150;

    private static final int SEGMENTS_MAX = 3;

    private final List<String> points;
    private final SplittableRandom random;
    private final Map<String, Integer> reached = new LinkedHashMap<>();
    private int next;

    CrashPoint(List<String> points, SplittableRandom random) {
        this.points = points;
        this.random = random;
        points.forEach(point -> reached.put(point, 0));
    }

    /** How often each ended a broker. */
    Map<String, Integer> reached() {
        return reached;
    }

    @Override
    public List<String> jvmFlags() {
        String point = point();
        int nth = random.nextInt(1, isOfSegments(point) ? SEGMENTS_MAX + 1 : BATCHES_MAX + 1);
        return List.of("-Dhermod.crash-point=" + point + ":" + nth);
    }

    @Override
    public void strike(BrokerProcess broker) throws InterruptedException {
        String point = point();
        next++;
        long untilNs = System.nanoTime() + WAIT_NS;
        while (broker.isAlive() && System.nanoTime() - untilNs < 0) {
            Thread.sleep(POLL_MS);
        }
        if (broker.isAlive()) {
            broker.kill();
        } else {
            reached.merge(point, 1, Integer::sum);
        }
    }

    private static boolean isOfSegments(String point) {
        return point.contains("roll") || point.contains("remove");
    }

    private String point() {
        return points.get(next % points.size());
    }
}
