package hermod.broker.topic;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ThreadLocalRandom;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

class SequenceWindowTest {
    private static final int WINDOW = 1_024;

    private final SequenceWindow window = new SequenceWindow(null, 1);

    /** What the window is to do, slowly. */
    private static final class Model {
        private final Map<Long, Long> offsets = new HashMap<>();
        private long highest;

        long find(long sequence) {
            if (highest - sequence >= WINDOW) {
                return SequenceWindow.TOO_OLD;
            }
            return offsets.getOrDefault(sequence, SequenceWindow.NEW);
        }

        void put(long sequence, long offset) {
            offsets.put(sequence, offset);
            highest = Math.max(highest, sequence);
        }
    }

    @RepeatedTest(20)
    void itAnswersAsAMapOfEverythingWould() {
        long seed = ThreadLocalRandom.current().nextLong();
        Random random = new Random(seed);
        Model model = new Model();
        long next = 1 + random.nextInt(3_000);
        int step = 1 << random.nextInt(10);
        for (int offset = 1; offset <= 20_000; offset++) {
            long sequence = switch (random.nextInt(8)) {
                case 0 -> Math.max(1, next - random.nextInt(2 * WINDOW));
                case 1 -> Math.max(1, next - random.nextInt(20));
                case 2 -> next += random.nextInt(3 * WINDOW);
                default -> next += 1 + random.nextInt(step);
            };
            long expected = model.find(sequence);
            assertThat(window.find(sequence))
                    .as("seed=%d, step=%d, sequence=%d", seed, offset, sequence)
                    .isEqualTo(expected);
            if (expected == SequenceWindow.NEW) {
                model.put(sequence, offset);
                window.put(sequence, offset, offset);
            }
        }
    }

    @Test
    void aSequenceIsRemembered1023BelowTheHighestAndTooOldOneFurther() {
        window.put(5_000, 1, 0);
        window.put(5_000 - 1_023, 2, 0);
        assertThat(window.find(5_000 - 1_023)).isEqualTo(2);
        assertThat(window.find(5_000 - 1_022)).isEqualTo(SequenceWindow.NEW);
        assertThat(window.find(5_000 - 1_024)).isEqualTo(SequenceWindow.TOO_OLD);
        window.put(5_001, 3, 0);
        assertThat(window.find(5_000 - 1_023)).isEqualTo(SequenceWindow.TOO_OLD);
        assertThat(window.find(5_000)).isEqualTo(1);
    }

    @Test
    void aFullWindowIsRememberedWhole() {
        for (int i = 1; i <= WINDOW; i++) {
            window.put(i, 10_000 + i, 0);
        }
        for (int i = 1; i <= WINDOW; i++) {
            assertThat(window.find(i)).isEqualTo(10_000 + i);
        }
    }

    @Test
    void itGrowsWithWhatItMustRememberAndNotBeyondTheWindow() {
        long first = window.bytes();
        for (int i = 1; i <= 8; i++) {
            window.put(i, i, 0);
        }
        assertThat(window.bytes()).isEqualTo(first).isEqualTo(SequenceWindow.bytesAtFirst());
        for (int i = 9; i <= 100_000; i++) {
            window.put(i, i, 0);
        }
        assertThat(window.bytes()).isEqualTo(80 + 16 * WINDOW);
    }

    @Test
    void sparseSequencesCostLittle() {
        for (int i = 1; i <= 1_000; i++) {
            window.put((long) i * WINDOW, i, 0);
        }
        assertThat(window.bytes()).isEqualTo(SequenceWindow.bytesAtFirst());
        assertThat(window.find(1_000L * WINDOW)).isEqualTo(1_000);
        assertThat(window.find(999L * WINDOW)).isEqualTo(SequenceWindow.TOO_OLD);
    }

    @Test
    void theLargestSequenceIsTaken() {
        window.put(Long.MAX_VALUE, 9, 0);
        assertThat(window.find(Long.MAX_VALUE)).isEqualTo(9);
        assertThat(window.find(1)).isEqualTo(SequenceWindow.TOO_OLD);
    }
}
