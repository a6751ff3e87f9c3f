package hermod.bench.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.FileInputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.EncodableHistogram;
import org.HdrHistogram.HistogramLogReader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LatencyTest {
    @Test
    void intervalsAddUpToTheTotal() {
        try (Latency latency = new Latency(null)) {
            latency.record(1_000);
            assertThat(latency.takeInterval().getTotalCount()).isEqualTo(1);
            latency.record(2_000);
            latency.record(3_000);
            assertThat(latency.takeInterval().getTotalCount()).isEqualTo(2);

            assertThat(latency.total().getTotalCount()).isEqualTo(3);
        }
    }

    @Test
    void whatWasBeforeAResetIsForgotten() {
        try (Latency latency = new Latency(null)) {
            latency.record(1_000);
            latency.takeInterval();
            latency.record(1_000);
            latency.reset();
            latency.record(5_000);

            assertThat(latency.total().getTotalCount()).isEqualTo(1);
            assertThat(latency.total().getMinValue()).isGreaterThanOrEqualTo(4_990);
        }
    }

    @Test
    void aLatencyBeyondTheRangeCountsAsTheRangesEndAndANegativeOneAsZero() {
        try (Latency latency = new Latency(null)) {
            latency.record(Long.MAX_VALUE);
            latency.record(-1);

            assertThat(latency.total().getTotalCount()).isEqualTo(2);
            assertThat(latency.total().getMaxValue())
                    .isBetween(TimeUnit.MINUTES.toNanos(10), TimeUnit.MINUTES.toNanos(11));
        }
    }

    @Test
    void theHistogramLogCanBeReadBack(@TempDir Path folder) throws IOException {
        Path log = folder.resolve("run.hlog");
        try (Latency latency = new Latency(log)) {
            latency.record(1_000);
            latency.takeInterval();
            latency.record(2_000);
            latency.total();
        }

        long count = 0;
        try (FileInputStream in = new FileInputStream(log.toFile());
                HistogramLogReader reader = new HistogramLogReader(in)) {
            for (EncodableHistogram each = reader.nextIntervalHistogram();
                    each != null;
                    each = reader.nextIntervalHistogram()) {
                count += ((org.HdrHistogram.Histogram) each).getTotalCount();
            }
        }
        assertThat(count).isEqualTo(2);
    }

    @Test
    void aLogThatCannotBeWrittenIsAUsersMistake() {
        assertThatThrownBy(() -> new Latency(Path.of("/no/such/folder/x.hlog")))
                .isInstanceOf(BenchFailure.class)
                .hasMessageContaining("histogram log cannot be written");
    }
}
