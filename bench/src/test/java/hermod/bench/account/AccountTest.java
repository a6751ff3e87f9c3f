package hermod.bench.account;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.bench.account.Account.Subscriber;
import hermod.bench.account.Account.Sums;
import hermod.bench.account.Note.Kind;
import hermod.bench.account.Truth.Published;
import hermod.protocol.Priority;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The account finds what it is there to find, or the property test that rests on it proves nothing. */
class AccountTest {
    private static final int TOPIC = 7;
    private static final int HEALING = 8;
    private static final int FRAME_BYTES = 100;

    private final Truth truth = new Truth();
    private final List<Note> notes = new ArrayList<>(List.of(Note.of(Kind.SUBSCRIBED, TOPIC, 1, 0)));
    private final Subscriber subscriber = subscriber(true, false);

    private static Subscriber subscriber(boolean isTold, boolean hasCredit) {
        return new Subscriber("me", isTold, hasCredit, true, handle -> handle == HEALING);
    }

    private void publish(int count) {
        for (int i = 0; i < count; i++) {
            publish(Priority.NORMAL, Long.MAX_VALUE, null, null);
        }
    }

    private void publish(Priority priority, long expiresAtUs, String excludedUser, String key) {
        for (int handle : new int[] {TOPIC, HEALING}) {
            long offset = truth.last(handle) + 1;
            truth.accepted(
                    handle, offset, new Published(1_000 + offset, priority, expiresAtUs, excludedUser, Map.of(), key));
        }
    }

    private void event(long offset) {
        event(TOPIC, offset);
    }

    private void event(int handle, long offset) {
        notes.add(Note.event(handle, offset, 1_000 + offset, Priority.NORMAL, FRAME_BYTES, 50));
    }

    private void note(Kind kind, long from, long to) {
        notes.add(Note.of(kind, TOPIC, from, to).at(50));
    }

    private Sums check() {
        return new Account(truth, subscriber).check(notes, true, 100);
    }

    private void assertFault(String sentence) {
        assertThatThrownBy(this::check).isInstanceOf(AssertionError.class).hasMessageContaining(sentence);
    }

    @Test
    void everyEventInOrderAddsUp() {
        publish(2);
        event(1);
        event(2);
        assertThat(check()).isEqualTo(new Sums(2, 2, 0, 0, 0, 0, 0));
    }

    @Test
    void twoEventsInTheWrongOrderAreFound() {
        publish(Priority.NORMAL, Long.MAX_VALUE, null, "a key does not excuse it");
        publish(1);
        event(2);
        event(1);
        assertFault("out of order");
    }

    @Test
    void anEventTwiceIsFound() {
        publish(1);
        event(1);
        event(1);
        assertFault("out of order, twice");
    }

    @Test
    void aHoleNobodySpokeOfIsFound() {
        publish(3);
        event(1);
        event(3);
        assertFault("offset 2 is missing");
    }

    @Test
    void anEventMissingAtTheEndIsFound() {
        publish(2);
        event(1);
        assertFault("offset 2 is missing");
    }

    @Test
    void anothersBytesAreFound() {
        publish(2);
        notes.add(Note.event(TOPIC, 1, 1_002, Priority.NORMAL, FRAME_BYTES, 50));
        assertFault("another event");
    }

    @Test
    void aGapExplainsWhatItNames() {
        publish(4);
        event(1);
        note(Kind.GAP, 2, 3);
        event(4);
        assertThat(check()).isEqualTo(new Sums(4, 2, 0, 0, 0, 0, 2));
    }

    @Test
    void anEventOfAGapThatComesAfterAllIsFound() {
        publish(3);
        note(Kind.GAP, 1, 2);
        event(2);
        assertFault("after it was given up");
    }

    @Test
    void aGapThatReachesBackOrBeyondIsFound() {
        publish(2);
        event(1);
        note(Kind.GAP, 1, 2);
        assertFault("reaches back");
        notes.remove(2);
        note(Kind.GAP, 2, 3);
        assertFault("beyond the last event");
    }

    @Test
    void aGapThatHealsIsClosedBeforeAnythingLater() {
        publish(3);
        notes.clear();
        notes.add(Note.of(Kind.SUBSCRIBED, HEALING, 1, 0));
        notes.add(Note.of(Kind.GAP, HEALING, 1, 2));
        event(HEALING, 1);
        event(HEALING, 2);
        notes.add(Note.of(Kind.GAP_CLOSED, HEALING, 1, 2));
        event(HEALING, 3);
        assertThat(check().delivered()).isEqualTo(3);

        notes.remove(4);
        assertFault("before the gap was closed");
        notes.remove(4);
        notes.remove(3);
        notes.add(Note.of(Kind.GAP_CLOSED, HEALING, 1, 2));
        assertFault("offset 2 is missing");
    }

    @Test
    void excludedExpiredAndFilteredEventsNeedNoWord() {
        publish(Priority.NORMAL, Long.MAX_VALUE, "me", null);
        publish(Priority.NORMAL, 40, null, null);
        publish(2);
        note(Kind.FILTER, 4, 0);
        event(3);
        assertThat(check()).isEqualTo(new Sums(4, 1, 1, 1, 1, 0, 0));
    }

    @Test
    void whatWasExcludedExpiredOrFilteredMustNotCome() {
        publish(Priority.NORMAL, Long.MAX_VALUE, "me", null);
        event(1);
        assertFault("the device it leaves out");
        publish(Priority.NORMAL, 40, null, null);
        notes.remove(1);
        event(2);
        assertFault("had expired");
        publish(1);
        notes.remove(1);
        note(Kind.FILTER, 3, 0);
        event(3);
        assertFault("does not let it pass");
    }

    @Test
    void aConflatedEventNeedsALaterOneOfItsKey() {
        publish(Priority.NORMAL, Long.MAX_VALUE, null, "k");
        publish(1);
        publish(Priority.NORMAL, Long.MAX_VALUE, null, "k");
        event(2);
        event(3);
        assertThat(check()).isEqualTo(new Sums(3, 2, 0, 0, 0, 1, 0));
        notes.remove(2);
        assertFault("no later one has its key");
    }

    @Test
    void progressPassesOverOnlyWhatWasNotOwed() {
        publish(2);
        note(Kind.FILTER, 1, 0);
        note(Kind.PROGRESS, 2, 0);
        assertThat(check().filtered()).isEqualTo(2);
        notes.remove(1);
        assertFault("offset 1 is missing");
    }

    @Test
    void anEventWithoutCreditIsFound() {
        publish(3);
        notes.add(Note.of(Kind.CREDIT, 0, FRAME_BYTES + 1, 0));
        event(1);
        event(2);
        assertThat(new Account(truth, subscriber(true, true))
                        .check(notes, false, 100)
                        .delivered())
                .isEqualTo(2);
        event(3);
        assertThatThrownBy(() -> new Account(truth, subscriber(true, true)).check(notes, false, 100))
                .hasMessageContaining("without credit");
    }

    @Test
    void aClosedConnectionIsOwedNoMoreButNothingInBetween() {
        publish(3);
        event(1);
        notes.add(Note.of(Kind.CLOSE, 0, 3001, 0));
        assertThat(check()).isEqualTo(new Sums(1, 1, 0, 0, 0, 0, 0));
    }

    @Test
    void aGapIsOnlyForWhoAgreedToIt() {
        publish(1);
        note(Kind.GAP, 1, 1);
        assertThatThrownBy(() -> new Account(truth, subscriber(false, false)).check(notes, true, 100))
                .hasMessageContaining("without agreement");
    }
}
