package hermod.bench.load;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class WindowTest {
    private static long in(long seconds) {
        return System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    }

    @Test
    void exactlyTheWindowFitsAndOneMoreDoesNot() {
        Window window = new Window(10);

        assertThat(window.take(5, in(0))).isTrue();
        assertThat(window.take(5, in(0))).isTrue();
        assertThat(window.take(1, in(0))).isFalse();
    }

    @Test
    void whatWasReleasedFitsAgain() {
        Window window = new Window(10);
        window.take(10, in(0));
        window.release(3);

        assertThat(window.take(3, in(0))).isTrue();
        assertThat(window.take(1, in(0))).isFalse();
    }

    @Test
    void oneWhoWaitsGoesOnWhenAnotherThreadReleases() {
        Window window = new Window(1);
        window.take(1, in(0));
        CompletableFuture<Void> releasing = CompletableFuture.runAsync(() -> window.release(1));

        assertThat(window.take(1, in(30))).isTrue();
        releasing.join();
    }
}
