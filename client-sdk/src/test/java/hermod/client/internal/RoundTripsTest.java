package hermod.client.internal;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.client.ConnectionQuality;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("CN-5")
class RoundTripsTest {
    private static ConnectionQuality qualityOf(long us, int missed) {
        RoundTrips trips = new RoundTrips();
        trips.add(us);
        return trips.quality(missed);
    }

    @Test
    void theThresholdsAreThoseOfTheRequirement() {
        assertThat(new RoundTrips().quality(0)).isEqualTo(ConnectionQuality.UNKNOWN);
        assertThat(qualityOf(99_999, 0)).isEqualTo(ConnectionQuality.EXCELLENT);
        assertThat(qualityOf(100_000, 0)).isEqualTo(ConnectionQuality.GOOD);
        assertThat(qualityOf(299_999, 0)).isEqualTo(ConnectionQuality.GOOD);
        assertThat(qualityOf(300_000, 0)).isEqualTo(ConnectionQuality.FAIR);
        assertThat(qualityOf(599_999, 0)).isEqualTo(ConnectionQuality.FAIR);
        assertThat(qualityOf(600_000, 0)).isEqualTo(ConnectionQuality.POOR);
    }

    @Test
    void eachMissedHeartbeatLowersItByOneStepDownToPoor() {
        assertThat(qualityOf(1, 1)).isEqualTo(ConnectionQuality.GOOD);
        assertThat(qualityOf(1, 2)).isEqualTo(ConnectionQuality.FAIR);
        assertThat(qualityOf(1, 3)).isEqualTo(ConnectionQuality.POOR);
        assertThat(qualityOf(1, 1_000_000)).isEqualTo(ConnectionQuality.POOR);
    }

    @Test
    void oneOutlierMovesTheSmoothedValueByAnEighth() {
        RoundTrips trips = new RoundTrips();
        trips.add(80_000);
        trips.add(880_000);
        assertThat(trips.smoothedUs()).isEqualTo(180_000);
    }
}
