package hermod.client.internal;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("FL-11")
class CreditTest {
    private static final long WINDOW = 1_600;

    private final AtomicInteger wakeUps = new AtomicInteger();
    private final Credit credit = new Credit(WINDOW, wakeUps::incrementAndGet);

    private void receive(long bytes) {
        credit.onFrame(bytes);
        credit.hold(bytes);
    }

    @Test
    void aConnectionBeginsWithTheWholeWindow() {
        assertThat(credit.start()).isEqualTo(WINDOW);
        assertThat(credit.outstanding()).isEqualTo(WINDOW);
        assertThat(credit.takeGrant(true)).isZero();
    }

    @Test
    void whatIsHandledIsGrantedAgainAQuarterOfTheWindowAtATimeWithOneWakeUp() {
        credit.start();
        receive(300);
        receive(300);
        assertThat(credit.takeGrant(false)).isZero();
        credit.release(300);
        assertThat(credit.takeGrant(false)).isZero();
        assertThat(wakeUps).hasValue(0);
        credit.release(150);
        credit.release(150);
        assertThat(wakeUps).hasValue(1);

        assertThat(credit.takeGrant(false)).isEqualTo(600);
        assertThat(credit.outstanding()).isEqualTo(WINDOW);
    }

    @Test
    void whileNothingIsQueuedASixteenthIsEnough() {
        credit.start();
        receive(99);
        credit.release(99);
        assertThat(credit.takeGrant(true)).isZero();
        receive(1);
        credit.release(1);

        assertThat(credit.takeGrant(false)).isZero();
        assertThat(credit.takeGrant(true)).isEqualTo(100);
    }

    @Test
    void aFrameLargerThanTheWindowIsPaidBackBeforeAnythingIsGranted() {
        credit.start();
        receive(5_000);
        assertThat(credit.outstanding()).isZero();
        assertThat(credit.takeGrant(true)).isZero();
        credit.release(5_000);

        assertThat(credit.takeGrant(false)).isEqualTo(5_000);
        assertThat(credit.outstanding()).isEqualTo(WINDOW);
    }

    @Test
    void whatIsDroppedWithoutAHandlerIsGrantedAgain() {
        credit.start();
        credit.onFrame(400);

        assertThat(credit.takeGrant(false)).isEqualTo(400);
    }

    @Test
    void aLaterConnectionGetsWhatTheEventsStillHeldLeaveOfTheWindow() {
        credit.start();
        receive(1_000);
        assertThat(credit.start()).isEqualTo(600);
        credit.release(1_000);
        assertThat(credit.takeGrant(false)).isEqualTo(1_000);
        receive(1_600);

        assertThat(credit.start()).isZero();
    }

    @Test
    void theWindowAddsUpWhateverHappens() {
        long seed = 11;
        Random random = new Random(seed);
        long outstanding = credit.start();
        long held = 0;
        for (int i = 0; i < 20_000; i++) {
            int bytes = 1 + random.nextInt(200);
            switch (random.nextInt(8)) {
                case 0, 1, 2 -> {
                    if (outstanding > 0) {
                        receive(bytes);
                        outstanding -= bytes;
                        held += bytes;
                    }
                }
                case 3, 4, 5 -> {
                    long handled = Math.min(held, bytes);
                    credit.release(handled);
                    held -= handled;
                }
                case 6 -> outstanding += credit.takeGrant(held == 0);
                default -> {
                    if (random.nextInt(100) == 0) {
                        outstanding = credit.start();
                    }
                }
            }
            assertThat(outstanding + held).as("seed=%d, step=%d", seed, i).isLessThanOrEqualTo(WINDOW + 200);
        }
        credit.release(held);
        outstanding += credit.takeGrant(false);
        assertThat(outstanding).as("seed=%d", seed).isGreaterThan(WINDOW * 3 / 4);
    }
}
