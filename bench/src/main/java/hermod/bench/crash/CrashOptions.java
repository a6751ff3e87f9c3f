package hermod.bench.crash;

import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import java.util.List;
import java.util.Locale;

/**
 * What one run does.
 *
 * @param outages how often the broker is killed, or loses its power.
 * @param seconds no further outage after so long; 0 for no limit.
 * @param clients publishers; half of them through the SDK.
 * @param ratePerClient events a second each publishes.
 * @param isPowerCut whether the file system loses what was not synced, too.
 * @param points crash points at which the broker ends itself, instead of at random moments; each as often as {@code outages} says. Empty for none.
 * @param isWithoutSync whether the broker never syncs, to see the checker find it.
 */
record CrashOptions(
        int outages,
        int seconds,
        int clients,
        int ratePerClient,
        boolean isPowerCut,
        List<String> points,
        boolean isWithoutSync,
        long seed) {
    private static final List<String> POINTS = List.of(
            "journal-before-write",
            "journal-after-write",
            "journal-after-sync",
            "journal-roll-head",
            "journal-roll-name",
            "journal-roll-done",
            "journal-before-remove",
            "journal-after-remove");

    /** @throws BenchFailure naming the first that is out of its range. */
    CrashOptions {
        points = List.copyOf(points);
        check("--kills and --rounds", outages, 1, 100_000);
        check("--seconds", seconds, 0, 86_400);
        check("--clients", clients, 1, 64);
        check("--rate", ratePerClient, 1, 5_000);
        if (!POINTS.containsAll(points)) {
            throw new BenchFailure(Kind.USAGE, "--points must name some of " + POINTS + ", got " + points);
        }
        if (isPowerCut && !points.isEmpty()) {
            throw new BenchFailure(Kind.USAGE, "--power-cut and --points exclude each other; give one");
        }
    }

    private static void check(String option, int value, int min, int max) {
        if (value < min || value > max) {
            throw new BenchFailure(
                    Kind.USAGE,
                    String.format(Locale.ROOT, "%s must be from %d to %d, got %d", option, min, max, value));
        }
    }
}
