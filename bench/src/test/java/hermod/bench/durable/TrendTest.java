package hermod.bench.durable;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class TrendTest {
    @Test
    void onlyTheLastHalfCountsForTheSlope() {
        List<Trend.Sample> samples = new ArrayList<>();
        for (int second = 0; second <= 100; second++) {
            samples.add(new Trend.Sample(second, second < 50 ? 10 * second : 500 + 0.01 * (second - 50)));
        }

        Trend trend = Trend.of(samples);

        assertThat(trend.perHour()).isCloseTo(36, within(1e-6));
        assertThat(trend.first()).isZero();
        assertThat(trend.last()).isCloseTo(500.5, within(1e-9));
        assertThat(trend.most()).isCloseTo(500.5, within(1e-9));
    }

    @Test
    void aSawtoothIsFlat() {
        List<Trend.Sample> samples = new ArrayList<>();
        for (int second = 0; second <= 1_000; second++) {
            samples.add(new Trend.Sample(second, 100 + second % 10));
        }

        assertThat(Trend.of(samples).perHour()).isCloseTo(0, within(2.0));
    }

    @Test
    void oneSampleHasNoSlope() {
        assertThat(Trend.of(List.of(new Trend.Sample(3, 7)))).isEqualTo(new Trend(7, 7, 7, 0));
    }

    @Test
    void theFootprintIsReadFromWhatTheSystemAndTheJvmSay() {
        assertThat(Footprint.rssOf("Name:\tjava\nVmHWM:\t  999999 kB\nVmRSS:\t  204800 kB\nThreads:\t9\n"))
                .isEqualTo(200);
        assertThat(Footprint.rssOf("")).isNaN();
        assertThat(Footprint.heapOf("4711:\n garbage-first heap   total 262144K, used 51200K [0x1, 0x2)\n"
                        + "  region size 1024K, 5 young (5120K), 1 survivors (1024K)\n"
                        + " Metaspace       used 9000K, committed 9216K, reserved 1114112K\n"))
                .isEqualTo(50);
        assertThat(Footprint.heapOf(" def new generation   total 78656K, used 1024K [0x1, 0x2)\n"
                        + "  eden space 69952K,  17% used [0x1, 0x2)\n"
                        + " tenured generation   total 174784K, used 2048K [0x1, 0x2)\n"
                        + " Metaspace       used 9000K, committed 9216K, reserved 1114112K\n"))
                .isEqualTo(3);
        assertThat(Footprint.heapOf("4711:\nShenandoah Heap\n"
                        + " 512M max, 512M soft max, 512M committed, 96M used\n"
                        + " 256 x 256K regions\n"))
                .isEqualTo(96);
        assertThat(Footprint.heapOf(" 65536K max, 65536K soft max, 65536K committed, 2048K used\n"))
                .isEqualTo(2);
        assertThat(Footprint.heapOf("no such process")).isNaN();
    }
}
