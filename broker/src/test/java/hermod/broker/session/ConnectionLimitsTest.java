package hermod.broker.session;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class ConnectionLimitsTest {
    private final ConnectionLimits limits = new ConnectionLimits();

    @Test
    void aKeyHasAsManyAsItMayAndOneMoreForEachGivenBack() {
        assertThat(limits.take("a", 2)).isTrue();
        assertThat(limits.take("a", 2)).isTrue();
        assertThat(limits.take("a", 2)).isFalse();
        assertThat(limits.take("b", 2)).isTrue();
        limits.giveBack("a");
        assertThat(limits.take("a", 2)).isTrue();
        assertThat(limits.take("a", 2)).isFalse();
    }

    @Test
    void aRefusalCountsNothing() {
        assertThat(limits.take("a", 0)).isFalse();
        assertThat(limits.take("a", 1)).isTrue();
        limits.giveBack("a");
        assertThat(limits.take("a", 1)).isTrue();
    }

    @Test
    void threadsTogetherTakeNoMoreThanTheLimit() throws Exception {
        AtomicInteger taken = new AtomicInteger();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            Thread thread = new Thread(() -> {
                for (int k = 0; k < 10_000; k++) {
                    if (limits.take("a", 3)) {
                        assertThat(taken.incrementAndGet() % 100).isLessThanOrEqualTo(3);
                        taken.decrementAndGet();
                        limits.giveBack("a");
                    }
                }
                taken.addAndGet(100);
            });
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) {
            thread.join();
        }
        // Each thread came to its end, and everything was given back.
        assertThat(taken.get()).isEqualTo(400);
        assertThat(limits.take("a", 1)).isTrue();
    }
}
