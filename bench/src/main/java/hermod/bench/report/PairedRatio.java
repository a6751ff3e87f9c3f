package hermod.bench.report;

import java.util.Locale;

/**
 * How much a figure of one kind of round is of the same figure of another, from rounds that took turns: the geometric mean of the pairs' ratios and its
 * 95 % interval by Student's distribution. Both figures of a pair were measured within seconds, so what changes the machine slowly falls out. Immutable.
 *
 * @param low lower end of the interval; with one pair 0.
 * @param high upper end; with one pair infinite.
 * @param pairs how many there were. With none the ratio is NaN.
 */
public record PairedRatio(double ratio, double low, double high, int pairs) {
    /** 97.5 % quantiles of Student's distribution with 1 to 30 degrees of freedom. */
    private static final double[] T = {
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
        2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042
    };

    /** @param figures of the rounds in question, above 0; the pair of each is the one of {@code base} at its place. */
    public static PairedRatio of(double[] figures, double[] base) {
        double[] logs = new double[figures.length];
        for (int i = 0; i < logs.length; i++) {
            logs[i] = Math.log(figures[i] / base[i]);
        }
        double[] interval = interval(logs);
        return new PairedRatio(Math.exp(interval[0]), Math.exp(interval[1]), Math.exp(interval[2]), logs.length);
    }

    /** Mean of the values, and the ends of its 95 % interval. */
    public static double[] interval(double[] values) {
        double mean = 0;
        for (double value : values) {
            mean += value / values.length;
        }
        if (values.length == 0) {
            return new double[] {Double.NaN, Double.NaN, Double.NaN};
        }
        if (values.length == 1) {
            return new double[] {mean, Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY};
        }
        double squares = 0;
        for (double value : values) {
            squares += (value - mean) * (value - mean);
        }
        int freedom = values.length - 1;
        double half = quantile(freedom) * Math.sqrt(squares / freedom / values.length);
        return new double[] {mean, mean - half, mean + half};
    }

    private static double quantile(int freedom) {
        return freedom <= T.length ? T[freedom - 1] : 1.95996 + 2.37 / freedom + 2.8 / freedom / freedom;
    }

    /** Whether the whole interval is at most {@code share} away from 1. */
    public boolean isInside(double share) {
        return low >= 1 - share && high <= 1 + share;
    }

    @Override
    public String toString() {
        return String.format(Locale.ROOT, "%.3f [%.3f, %.3f]", ratio, low, high);
    }
}
