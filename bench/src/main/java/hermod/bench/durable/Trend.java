package hermod.bench.durable;

import java.util.List;

/**
 * A figure sampled over time: where it began and ended, and how fast the last half of it rises, by least squares. Immutable.
 *
 * @param perHour by how much the last half rises in an hour; 0 with fewer than two samples in it.
 * @param most of all samples.
 */
record Trend(double first, double last, double most, double perHour) {
    private static final double SECONDS_AN_HOUR = 3_600;

    /**
     * A sample.
     *
     * @param seconds since the beginning, rising.
     */
    record Sample(double seconds, double value) {}

    /** @param samples at least one. */
    static Trend of(List<Sample> samples) {
        Sample end = samples.get(samples.size() - 1);
        double most = samples.stream().mapToDouble(Sample::value).max().orElse(0);
        double half = (samples.get(0).seconds() + end.seconds()) / 2;
        List<Sample> late =
                samples.stream().filter(one -> one.seconds() >= half).toList();
        return new Trend(samples.get(0).value(), end.value(), most, slope(late) * SECONDS_AN_HOUR);
    }

    private static double slope(List<Sample> samples) {
        double meanX = samples.stream().mapToDouble(Sample::seconds).average().orElse(0);
        double meanY = samples.stream().mapToDouble(Sample::value).average().orElse(0);
        double xy = 0;
        double xx = 0;
        for (Sample one : samples) {
            xy += (one.seconds() - meanX) * (one.value() - meanY);
            xx += (one.seconds() - meanX) * (one.seconds() - meanX);
        }
        return xx == 0 ? 0 : xy / xx;
    }
}
