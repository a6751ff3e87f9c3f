package hermod.broker.topic;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("EV-6")
class EventIdsTest {
    private record Id(long high, long low) {}

    private record Seen(long offset, long timeUs) {}

    @Test
    void anIdIsRememberedForTheWindowAndNotLonger() {
        EventIds ids = new EventIds(100, 1_000);
        ids.add(1, 2, 5, 10_000);
        assertThat(ids.find(1, 2, 11_000)).isEqualTo(5);
        assertThat(ids.find(2, 1, 11_000)).isZero();
        assertThat(ids.find(1, 2, 11_001)).isZero();
        assertThat(ids.count()).isZero();
    }

    @Test
    void beyondTheLimitTheOldestIsForgotten() {
        EventIds ids = new EventIds(64, Long.MAX_VALUE);
        for (int i = 1; i <= 65; i++) {
            ids.add(i, i, i, i);
        }
        assertThat(ids.find(1, 1, 100)).isZero();
        assertThat(ids.find(2, 2, 100)).isEqualTo(2);
        assertThat(ids.find(65, 65, 100)).isEqualTo(65);
        assertThat(ids.count()).isEqualTo(64);
    }

    @Test
    void itSaysByHowMuchItsWindowIsShortUntilWhatItForgotIsTooOldToMatter() {
        EventIds ids = new EventIds(16, 1_000);
        for (int i = 1; i <= 16; i++) {
            assertThat(ids.add(i, i, i, 100L * i)).isFalse();
        }
        assertThat(ids.shortUs(1_600)).isZero();
        assertThat(ids.add(17, 17, 17, 1_600)).as("what it forgets is too old").isFalse();
        assertThat(ids.shortUs(1_600)).isZero();
        for (int i = 18; i <= 33; i++) {
            ids.add(i, i, i, 1_700);
        }
        assertThat(ids.add(34, 34, 34, 1_700)).isTrue();
        assertThat(ids.shortUs(1_700)).as("one of this very time is forgotten").isEqualTo(1_000);
        assertThat(ids.shortUs(2_000)).isEqualTo(700);
        assertThat(ids.shortUs(2_700)).isZero();
    }

    @Test
    void whatIsTakenBackIsNew() {
        EventIds ids = new EventIds(64, Long.MAX_VALUE);
        ids.add(1, 1, 1, 1);
        ids.takeBack(1, 1);
        assertThat(ids.find(1, 1, 1)).isZero();
        ids.add(1, 1, 2, 1);
        assertThat(ids.find(1, 1, 1)).isEqualTo(2);
    }

    /** Against a map, with few different ids, so that they collide and come again. */
    @Test
    void itAnswersAsAMapWould() {
        long seed = Long.getLong("hermod.seed", System.nanoTime());
        Random random = new Random(seed);
        for (int round = 0; round < 20; round++) {
            int limit = 16 << random.nextInt(4);
            int windowUs = 1 + random.nextInt(500);
            EventIds ids = new EventIds(limit, windowUs);
            Map<Id, Seen> model = new LinkedHashMap<>();
            int range = 4 + random.nextInt(200);
            long nowUs = 1;
            for (int step = 1; step < 5_000; step++) {
                nowUs += random.nextInt(5);
                long now = nowUs;
                model.values().removeIf(each -> now - each.timeUs > windowUs);
                Id id = new Id(random.nextInt(range), random.nextInt(3));
                Seen seen = model.get(id);
                assertThat(ids.find(id.high, id.low, nowUs))
                        .as("seed=%d, step=%d", seed, step)
                        .isEqualTo(seen == null ? 0 : seen.offset);
                if (seen == null && random.nextInt(3) > 0) {
                    ids.add(id.high, id.low, step, nowUs);
                    model.put(id, new Seen(step, nowUs));
                    if (model.size() > limit) {
                        model.remove(model.keySet().iterator().next());
                    }
                }
            }
        }
    }
}
