package hermod.client.internal;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.client.EventListener;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("SA-3")
class HandledOffsetsTest {
    private final AtomicInteger told = new AtomicInteger();
    private final HandledOffsets offsets = new HandledOffsets(told::incrementAndGet);

    private void handle(long offset, boolean isWell) {
        assertThat(offsets.onReceived(offset)).as("offset " + offset).isTrue();
        offsets.onHandled(offset, isWell, List.of());
    }

    @Test
    void whatIsHandledIsToldOnceHoweverManyEventsItIs() {
        handle(3, true);
        handle(5, true);
        assertThat(told).hasValue(1);
        assertThat(offsets.take()).isEqualTo(5);
        assertThat(offsets.take()).isZero();
        handle(6, true);
        assertThat(told).hasValue(2);
    }

    @Test
    void behindAnEventThatFailedNothingIsToldAndItAloneIsHandledAgain() {
        handle(1, true);
        handle(2, false);
        handle(3, true);
        assertThat(offsets.take()).isEqualTo(1);
        assertThat(offsets.onReceived(2)).isTrue();
        assertThat(offsets.onReceived(2)).as("it is being handled").isFalse();
        assertThat(offsets.onReceived(3)).isFalse();
        offsets.onHandled(2, true, List.of());
        assertThat(offsets.take()).isEqualTo(3);
    }

    @Test
    void aListenerThatHasHandledAnEventIsRemembered() {
        ListenerHold well = new ListenerHold((EventListener) event -> {});
        offsets.onReceived(1);
        offsets.onHandled(1, false, List.of(well));
        assertThat(offsets.onReceived(1)).isTrue();
        assertThat(offsets.doneOf(1)).containsExactly(well);
    }

    @Test
    void anEventThatFailsAsOftenAsItIsSentIsPassedOver() {
        for (int i = 1; i < HandledOffsets.ATTEMPTS_MAX; i++) {
            handle(1, false);
            assertThat(offsets.take()).isZero();
        }
        handle(1, false);
        assertThat(offsets.take()).isEqualTo(1);
    }

    @Test
    void aLaterConnectionGoesOnBeforeWhatIsOpenOrWasNotTold() {
        assertThat(offsets.cursor(9)).isEqualTo(9);
        handle(10, true);
        assertThat(offsets.cursor(10)).isEqualTo(9);
        offsets.take();
        assertThat(offsets.cursor(10)).isEqualTo(10);
        handle(11, false);
        handle(12, true);
        assertThat(offsets.cursor(12)).isEqualTo(10);
    }

    @Test
    void whatWasHandledAndComesAgainIsToldAgain() {
        handle(1, true);
        offsets.take();
        assertThat(offsets.onReceived(1)).isFalse();
        assertThat(offsets.take()).isEqualTo(1);
    }

    @Test
    void whatIsOpenIsBounded() {
        handle(1, false);
        for (int i = 2; i <= HandledOffsets.OPEN_MAX + 1; i++) {
            handle(i, true);
        }
        assertThat(offsets.take()).isEqualTo(HandledOffsets.OPEN_MAX + 1L);
    }

    @Test
    void anEventThatFailedAndHasExpiredIsPassedOver() {
        handle(1, false);
        offsets.pass(1);
        assertThat(offsets.take()).isEqualTo(1);
        offsets.onReceived(2);
        offsets.pass(2);
        assertThat(offsets.take()).as("it is being handled").isZero();
    }
}
