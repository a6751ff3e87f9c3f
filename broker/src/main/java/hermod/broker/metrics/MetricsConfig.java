package hermod.broker.metrics;

import hermod.broker.config.Setting;

/** How much memory the latency histograms may take. Immutable. */
public record MetricsConfig(
        @Setting(
                min = 8,
                max = 100_000,
                text =
                        "Latency histograms in all; a channel has four on each shard. Channels beyond it share one set. A histogram takes 41 KiB at two "
                                + "digits and 273 KiB at three.")
        int histogramLimitCount,

        @Setting(min = 1, max = 3, text = "Significant decimal digits a histogram keeps: two are within 1 %.")
        int histogramDigits) {

    public static MetricsConfig defaults() {
        return new MetricsConfig(1_024, 2);
    }
}
