package hermod.broker.topic;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("HR-5")
class StateKeysTest {
    private static final long NEVER = Long.MAX_VALUE;
    private static final long NOW_US = 1_000;
    private static final int LIMIT = 100;

    private final StateKeys keys = new StateKeys(LIMIT, new KeyBudget(1_000));

    private void put(String key, long offset) {
        keys.accept(key, offset, 100, NEVER, false);
        keys.onStored(key, offset, 0);
    }

    private void delete(String key, long offset) {
        keys.accept(key, offset, 100, NEVER, true);
        keys.onStored(key, offset, 0);
    }

    private long[] offsets(long end, long from, int bytesMax) {
        return keys.part(end, from, bytesMax, NOW_US).offsets();
    }

    @Test
    void theVersionIsThatOfTheNewestThatWasAcceptedAndFallsBackWhenItFails() {
        put("a", 1);
        keys.accept("a", 2, 100, NEVER, false);
        keys.accept("a", 3, 100, NEVER, true);
        assertThat(keys.version("a", NOW_US)).isEqualTo(StateKeys.NO_VERSION);
        assertThat(keys.underWay("a")).isEqualTo(3);
        keys.onNotStored("a", 2);
        assertThat(keys.underWay("a")).isEqualTo(3);
        keys.onNotStored("a", 3);
        assertThat(keys.version("a", NOW_US)).isEqualTo(1);
        assertThat(keys.underWay("a")).isZero();
        keys.accept("b", 4, 100, NEVER, false);
        keys.onNotStored("b", 4);
        assertThat(keys.count()).isEqualTo(1);
    }

    @Test
    void aSnapshotHasWhatWasStoredAtItsOffsetWhateverIsWrittenAfterwards() {
        put("a", 1);
        put("b", 2);
        put("c", 3);
        keys.accept("d", 4, 100, NEVER, false);
        assertThat(keys.snapshot(4, NOW_US, 0)).isEqualTo(3);
        keys.onStored("d", 4, 0);
        put("a", 5);
        delete("b", 6);
        put("b", 7);
        assertThat(keys.snapshot(8, NOW_US, 0)).isEqualTo(4);
        put("a", 8);
        assertThat(offsets(4, 1, Integer.MAX_VALUE)).containsExactly(1, 2, 3);
        assertThat(offsets(4, 2, Integer.MAX_VALUE)).containsExactly(2, 3);
        assertThat(offsets(8, 1, Integer.MAX_VALUE)).containsExactly(3, 4, 5, 7);
    }

    @Test
    void aPartEndsWhereItsBytesAreUsedUpButHasOneValueAtLeast() {
        put("a", 1);
        put("b", 2);
        put("c", 3);
        keys.snapshot(4, NOW_US, 0);
        assertThat(offsets(4, 1, 200)).containsExactly(1, 2);
        assertThat(keys.part(4, 1, 200, NOW_US).isEnd()).isFalse();
        assertThat(offsets(4, 3, 1)).containsExactly(3);
        assertThat(keys.part(4, 3, 1, NOW_US).isEnd()).isTrue();
        assertThat(keys.part(4, 4, 1, NOW_US).offsets()).isEmpty();
    }

    @Test
    void whatWasOverwrittenIsForgottenWhenNobodyHasAskedForLong() {
        put("a", 1);
        keys.snapshot(2, NOW_US, 0);
        keys.accept("a", 2, 100, NEVER, false);
        keys.onStored("a", 2, TimeUnit.MINUTES.toNanos(1));
        assertThat(offsets(2, 1, Integer.MAX_VALUE)).isEmpty();
    }

    @Test
    void manySnapshotsAtATimeForgetTheEldest() {
        put("a", 1);
        for (int end = 2; end < 12; end++) {
            keys.snapshot(end, NOW_US, 0);
            put("a", end);
        }
        assertThat(offsets(2, 1, Integer.MAX_VALUE)).isEmpty();
        assertThat(offsets(11, 1, Integer.MAX_VALUE)).containsExactly(10);
    }

    @Test
    void anExpiredValueDoesNotExistAndMakesRoomWhenThereIsNone() {
        for (int i = 1; i < LIMIT; i++) {
            put("k" + i, i);
        }
        keys.accept("short", LIMIT, 100, NOW_US + 10, false);
        keys.onStored("short", LIMIT, 0);
        assertThat(keys.isFullFor("new", NOW_US)).isTrue();
        assertThat(keys.isFullFor("k1", NOW_US)).isFalse();
        assertThat(keys.version("short", NOW_US + 10)).isEqualTo(StateKeys.NO_VERSION);
        assertThat(keys.isFullFor("new", NOW_US + 10)).isFalse();
        assertThat(keys.count()).isEqualTo(LIMIT - 1);
    }

    @Test
    void anExpiredValueIsNotCountedEvenWhereNothingWasWrittenMeanwhile() {
        put("a", 1);
        keys.accept("short", 2, 100, NOW_US + 10, false);
        keys.onStored("short", 2, 0);
        assertThat(keys.snapshot(3, NOW_US, 0)).isEqualTo(2);
        assertThat(keys.snapshot(3, NOW_US + 10, 0)).isEqualTo(1);
    }

    @Test
    void whatWasStoredBeforeARestartIsLoadedBeyondTheLimitButNotWhatHasExpired() {
        StateKeys few = new StateKeys(1, new KeyBudget(1_000));
        few.load("a", 1, 100, NEVER, NOW_US);
        few.load("b", 2, 100, NEVER, NOW_US);
        few.load("c", 3, 100, NOW_US, NOW_US);
        assertThat(few.count()).isEqualTo(2);
        assertThat(few.version("b", NOW_US)).isEqualTo(2);
        assertThat(few.isFullFor("c", NOW_US)).isTrue();
    }
}
