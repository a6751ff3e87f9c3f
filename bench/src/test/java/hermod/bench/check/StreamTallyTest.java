package hermod.bench.check;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class StreamTallyTest {
    private final StreamTally tally = new StreamTally("tasks:flood", 2);

    private void publishes(int count) {
        for (int i = 0; i < count; i++) {
            tally.acknowledged(tally.publish());
        }
    }

    private void gets(int subscriber, int... numbers) {
        for (int number : numbers) {
            tally.received(subscriber, number, number + 1);
        }
    }

    @Test
    void aStreamThatArrivedOnceAndInOrderIsClean() {
        publishes(3);
        gets(0, 0, 1, 2);
        gets(1, 0, 1, 2);

        Verdict verdict = tally.check();

        assertThat(verdict.isClean()).isTrue();
        assertThat(verdict.published()).isEqualTo(3);
        assertThat(verdict.expected()).isEqualTo(6);
        assertThat(verdict.delivered()).isEqualTo(6);
    }

    @Test
    void whatOneSubscriberMissesIsLost() {
        publishes(3);
        gets(0, 0, 1, 2);
        gets(1, 0);

        assertThat(tally.check().lost()).isEqualTo(2);
    }

    @Test
    void aSecondDeliveryIsDuplicatedAndNotDisordered() {
        publishes(2);
        gets(0, 0, 1, 0);
        gets(1, 0, 1);

        Verdict verdict = tally.check();

        assertThat(verdict.duplicated()).isEqualTo(1);
        assertThat(verdict.disordered()).isZero();
    }

    @Test
    void aLateEventIsDisorderedAndNotLost() {
        publishes(3);
        gets(0, 0, 2, 1);
        gets(1, 0, 1, 2);

        Verdict verdict = tally.check();

        assertThat(verdict.disordered()).isEqualTo(1);
        assertThat(verdict.lost()).isZero();
    }

    @Test
    void anOffsetThatDoesNotRiseIsDisordered() {
        publishes(2);
        gets(0, 0, 1);
        tally.received(1, 0, 5);
        tally.received(1, 1, 5);

        assertThat(tally.check().disordered()).isEqualTo(1);
    }

    @Test
    void aPublishWithoutOutcomeIsUnaccountedAndARefusedOneIsNot() {
        tally.publish();
        tally.refused(tally.publish());

        Verdict verdict = tally.check();

        assertThat(verdict.unaccounted()).isEqualTo(1);
        assertThat(verdict.refused()).isEqualTo(1);
        assertThat(verdict.lost()).isZero();
    }

    @Test
    void aForeignARefusedAndAnUnpublishedEventArePhantoms() {
        publishes(1);
        gets(0, 0);
        gets(1, 0);
        tally.refused(tally.publish());
        gets(0, 1, 2, History.FOREIGN);

        assertThat(tally.check().phantom()).isEqualTo(3);
    }
}
