package hermod.bench.check;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

class CheckerTest {
    private static final List<String> TOPICS = List.of("chat:a", "chat:b");

    private final History alice = new History();
    private final History bob = new History();

    private Verdict check() {
        return Checker.check(List.of(alice, bob), TOPICS);
    }

    /** Alice publishes events 0 … count − 1 of topic 0, acknowledged at the offsets 1 … count; both subscribe. */
    private void alicePublishes(int count) {
        alice.subscribed(0);
        bob.subscribed(0);
        for (int number = 0; number < count; number++) {
            alice.acknowledged(alice.published(0, number), number + 1);
        }
    }

    private static void gets(History history, int... numbers) {
        for (int number : numbers) {
            history.received(0, number, 7, number + 1);
        }
    }

    @Test
    void aRunWhereEverySubscriberGotEverythingOnceInOrderIsClean() {
        alicePublishes(3);
        gets(alice, 0, 1, 2);
        gets(bob, 0, 1, 2);

        Verdict verdict = check();

        assertThat(verdict).isEqualTo(new Verdict(3, 3, 0, 6, 6, 0, 0, 0, 0, 0, List.of()));
        assertThat(verdict.isClean()).isTrue();
    }

    @Test
    void aRunOfNothingIsClean() {
        assertThat(check().isClean()).isTrue();
    }

    @Test
    void anEventThatOneSubscriberNeverGotIsLostOnce() {
        alicePublishes(3);
        gets(alice, 0, 1, 2);
        gets(bob, 0, 2);

        Verdict verdict = check();

        assertThat(verdict.lost()).isEqualTo(1);
        assertThat(verdict.isClean()).isFalse();
        assertThat(verdict.examples()).containsExactly("client 1 never got event 1 of chat:a, offset 2");
    }

    @Test
    void thePublishersOwnEventsAreOwedToItToo() {
        alicePublishes(2);
        gets(bob, 0, 1);

        assertThat(check().lost()).isEqualTo(2);
    }

    @Test
    void theLastEventMissingIsLostAsWellAsOneInTheMiddle() {
        alicePublishes(2);
        gets(alice, 0, 1);
        gets(bob, 0);

        assertThat(check().lost()).isEqualTo(1);
    }

    @Test
    void aClientThatIsNotSubscribedIsOwedNothing() {
        alice.subscribed(0);
        alice.acknowledged(alice.published(0, 0), 1);
        gets(alice, 0);

        assertThat(check().isClean()).isTrue();
    }

    @Test
    void anEventDeliveredTwiceInARowIsDuplicated() {
        alicePublishes(2);
        gets(alice, 0, 1);
        gets(bob, 0, 0, 1);

        Verdict verdict = check();

        assertThat(verdict.duplicated()).isEqualTo(1);
        assertThat(verdict.disordered()).isZero();
        assertThat(verdict.lost()).isZero();
    }

    @Test
    void anEventDeliveredAgainMuchLaterIsDuplicated() {
        alicePublishes(3);
        gets(alice, 0, 1, 2);
        gets(bob, 0, 1, 2, 0);

        assertThat(check().duplicated()).isEqualTo(1);
    }

    @Test
    void anEventGivenTwoOffsetsByARetryIsDuplicated() {
        alicePublishes(2);
        gets(alice, 0, 1);
        gets(bob, 0, 1);
        bob.received(0, 1, 7, 9);

        assertThat(check().duplicated()).isEqualTo(1);
    }

    @Test
    void twoNeighboursSwappedAreDisordered() {
        alicePublishes(3);
        gets(alice, 0, 1, 2);
        gets(bob, 1, 0, 2);

        Verdict verdict = check();

        assertThat(verdict.disordered()).isEqualTo(1);
        assertThat(verdict.duplicated()).isZero();
        assertThat(verdict.lost()).isZero();
    }

    @Test
    void twoTopicsMayInterleaveDifferentlyOnEachSubscriber() {
        for (int topic = 0; topic < 2; topic++) {
            alice.subscribed(topic);
            bob.subscribed(topic);
            alice.acknowledged(alice.published(topic, topic), 1);
        }
        alice.received(0, 0, 7, 1);
        alice.received(1, 1, 7, 1);
        bob.received(1, 1, 7, 1);
        bob.received(0, 0, 7, 1);

        assertThat(check().isClean()).isTrue();
    }

    @Test
    void subscribersThatSawTwoEventsAtExchangedOffsetsAreDisordered() {
        alicePublishes(2);
        gets(alice, 0, 1);
        bob.received(0, 1, 7, 1);
        bob.received(0, 0, 7, 2);

        assertThat(check().disordered()).isEqualTo(2);
    }

    @Test
    void subscribersMustAgreeOnTheOffsetOfAnEventWithoutReceiptToo() {
        alice.subscribed(0);
        bob.subscribed(0);
        alice.published(0, 0);
        alice.received(0, 0, 7, 1);
        bob.received(0, 0, 7, 2);

        Verdict verdict = check();

        assertThat(verdict.unaccounted()).isEqualTo(1);
        assertThat(verdict.disordered()).isEqualTo(1);
    }

    @Test
    void anEpochThatChangesInsideARunIsDisordered() {
        alicePublishes(2);
        gets(alice, 0, 1);
        bob.received(0, 0, 7, 1);
        bob.received(0, 1, 8, 2);

        assertThat(check().disordered()).isEqualTo(1);
    }

    @Test
    void twoEventsAcknowledgedWithOneOffsetAreDisordered() {
        alice.acknowledged(alice.published(0, 0), 5);
        bob.acknowledged(bob.published(0, 1), 5);

        assertThat(check().disordered()).isEqualTo(1);
    }

    @Test
    void aPublisherWhoseReceiptsFallIsDisordered() {
        alice.acknowledged(alice.published(0, 0), 2);
        alice.acknowledged(alice.published(0, 1), 1);

        assertThat(check().disordered()).isEqualTo(1);
    }

    @Test
    void receiptsOfTwoPublishersMayInterleave() {
        alice.acknowledged(alice.published(0, 0), 2);
        bob.acknowledged(bob.published(0, 1), 1);
        alice.acknowledged(alice.published(0, 2), 3);

        assertThat(check().isClean()).isTrue();
    }

    @Test
    void offsetsMayHaveHoles() {
        alice.subscribed(0);
        alice.acknowledged(alice.published(0, 0), 10);
        alice.acknowledged(alice.published(0, 1), 1_000_000);
        alice.received(0, 0, 7, 10);
        alice.received(0, 1, 7, 1_000_000);

        assertThat(check().isClean()).isTrue();
    }

    @Test
    void aPublishWithoutAnyOutcomeIsUnaccounted() {
        alice.published(0, 0);

        Verdict verdict = check();

        assertThat(verdict.unaccounted()).isEqualTo(1);
        assertThat(verdict.isClean()).isFalse();
    }

    @Test
    void aRefusedPublishIsAccountedForAndOwedToNobody() {
        alice.subscribed(0);
        alice.refused(alice.published(0, 0));

        Verdict verdict = check();

        assertThat(verdict.refused()).isEqualTo(1);
        assertThat(verdict.expected()).isZero();
        assertThat(verdict.isClean()).isTrue();
    }

    @Test
    void aRefusedEventThatArrivesAllTheSameIsAPhantom() {
        alice.subscribed(0);
        alice.refused(alice.published(0, 0));
        gets(alice, 0);

        assertThat(check().phantom()).isEqualTo(1);
    }

    @Test
    void anEventNobodyPublishedIsAPhantom() {
        alicePublishes(1);
        gets(alice, 0);
        gets(bob, 0);
        bob.received(0, 17, 7, 18);
        bob.received(0, History.FOREIGN, 7, 19);

        assertThat(check().phantom()).isEqualTo(2);
    }

    @Test
    void anEventInAnotherTopicThanItsOwnIsAPhantomAndLostInItsOwn() {
        alicePublishes(1);
        bob.subscribed(1);
        gets(alice, 0);
        bob.received(1, 0, 7, 1);

        Verdict verdict = check();

        assertThat(verdict.phantom()).isEqualTo(1);
        assertThat(verdict.lost()).isEqualTo(1);
    }

    @Test
    void anEventOfATopicThatWasNotSubscribedIsAPhantom() {
        alice.acknowledged(alice.published(0, 0), 1);
        gets(bob, 0);

        assertThat(check().phantom()).isEqualTo(1);
    }

    @Test
    void theFirstFaultsAreToldInWordsAndTheRestOnlyCounted() {
        alicePublishes(100);

        Verdict verdict = check();

        assertThat(verdict.lost()).isEqualTo(200);
        assertThat(verdict.examples()).hasSize(Verdict.EXAMPLES_MAX);
    }

    @Test
    void aLoadThatNumbersTwoEventsAlikeIsItsOwnDefect() {
        alice.published(0, 3);
        bob.published(0, 3);

        assertThatThrownBy(this::check)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("number=3");
    }

    @Test
    void anOffsetBelowOneIsNoAcknowledgement() {
        int index = alice.published(0, 0);

        assertThatThrownBy(() -> alice.acknowledged(index, 0)).isInstanceOf(IllegalArgumentException.class);
    }
}
