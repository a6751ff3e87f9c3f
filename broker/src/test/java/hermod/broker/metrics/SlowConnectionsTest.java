package hermod.broker.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("OB-7")
class SlowConnectionsTest {
    private static ConnectionStats connection(String id, String rung, String cause, long outboxBytes) {
        SlowStats slow = new SlowStats(rung, cause, 1_000, 0, 0, 0, 0, outboxBytes, 0, 0, Long.MAX_VALUE);
        return new ConnectionStats(
                id, "u", "o", "d", "cli", "a", 1, 2, List.of(), Map.of(), 0, 0, outboxBytes, slow, 0);
    }

    @Test
    void theFurthestDownTheLadderComesFirstAndOnOneRungWhoIsOwedMost() {
        SlowConnections slowest = new SlowConnections();
        slowest.add(connection("waiting", "healthy", "handler", 900));
        slowest.add(connection("conflating-less", "conflating", "socket", 500));
        slowest.add(connection("well", "healthy", "none", 1_000));
        slowest.add(connection("quarantined", "quarantined", "credit", 10));
        slowest.add(connection("conflating-more", "conflating", "socket", 800));
        slowest.add(connection("parked", "parked", "socket", 0));
        assertThat(slowest.worst())
                .extracting(ConnectionStats::id)
                .containsExactly("parked", "quarantined", "conflating-more", "conflating-less", "waiting");
        assertThat(slowest.total()).isEqualTo(5);
    }

    @Test
    void onlyTheWorstAreNamedAndTheOthersAreCounted() {
        SlowConnections slowest = new SlowConnections();
        for (int i = 0; i < 1_000; i++) {
            slowest.add(connection("c" + i, "conflating", "socket", i * 7 % 1_000));
        }
        assertThat(slowest.total()).isEqualTo(1_000);
        assertThat(slowest.worst())
                .extracting(ConnectionStats::outboxBytes)
                .hasSize(20)
                .startsWith(999L, 998L)
                .endsWith(980L);
    }
}
