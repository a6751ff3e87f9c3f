package hermod.bench.crash;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SyncCountTest {
    @Test
    void callsAreCountedByFileAndOnlyThoseInTheDataFolder() {
        List<String> lines = List.of(
                "100 fdatasync(12</data/x/journal/1.log>) = 0",
                "100 fdatasync(12</data/x/journal/1.log> <unfinished ...>",
                "101 fsync(13</data/x/store/MANIFEST>) = 0",
                "100 fdatasync(9</elsewhere/file>) = 0",
                "102 <... fdatasync resumed>) = 0",
                "100 +++ exited with 0 +++");

        assertThat(SyncCount.parse(lines, Path.of("/data/x")))
                .isEqualTo(Map.of("journal/1.log", 2, "store/MANIFEST", 1));
    }

    @Test
    void fewerSyncsThanAcknowledgedEventsIsAFailure() {
        assertThat(new SyncCount(3, 3, Map.of("a", 3)).isGood()).isTrue();
        assertThat(new SyncCount(3, 3, Map.of("a", 2)).isGood()).isFalse();
        assertThat(new SyncCount(3, 0, Map.of("a", 2)).isGood()).isFalse();
    }
}
