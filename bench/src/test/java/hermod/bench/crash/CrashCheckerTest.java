package hermod.bench.crash;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Histories written by hand: a run that is right, and one violation at a time put into it. */
class CrashCheckerTest {
    private static final List<String> TOPICS = List.of("chat:a", "chat:b");
    private static final int EPOCH = 7;

    /** One publisher, a follower behind the SDK, one on the wire, and the final reader. */
    private static final class Run {
        final ClientLog publisher = new ClientLog("publisher", false, System.nanoTime());
        final ClientLog application = new ClientLog("application", true, System.nanoTime());
        final ClientLog wire = new ClientLog("wire", false, System.nanoTime());
        final ClientLog reader = new ClientLog("reader", false, System.nanoTime());

        Run() {
            application.follows(0, 0, 0);
            wire.follows(0, 0, EPOCH);
            reader.follows(0, 0, EPOCH);
        }

        /** Event {@code number} is acknowledged at the offset of the same number. */
        Run acknowledged(int... numbers) {
            for (int number : numbers) {
                publisher.published(0, event(number));
                publisher.accepted(0, event(number), number, EPOCH);
            }
            return this;
        }

        Run got(ClientLog log, int... numbers) {
            for (int number : numbers) {
                log.event(0, event(number), number, EPOCH);
            }
            return this;
        }

        CrashVerdict check() {
            return CrashChecker.check(List.of(publisher, application, wire), reader, TOPICS);
        }
    }

    private static long event(int number) {
        return ClientLog.key(3, number);
    }

    /** Events 1, 2 and 3, as they should be. */
    private static Run good() {
        Run run = new Run().acknowledged(1, 2, 3);
        return run.got(run.application, 1, 2, 3).got(run.wire, 1, 2, 3).got(run.reader, 1, 2, 3);
    }

    private static Map<String, Long> counts(CrashVerdict verdict) {
        Map<String, Long> counts = new LinkedHashMap<>();
        counts.put("lost", verdict.lost());
        counts.put("duplicated", verdict.duplicated());
        counts.put("disordered", verdict.disordered());
        counts.put("phantom", verdict.phantom());
        counts.put("offsetReused", verdict.offsetReused());
        counts.put("epochChanged", verdict.epochChanged());
        counts.put("announced", verdict.announced());
        counts.put("unaccounted", verdict.unaccounted());
        counts.values().removeIf(count -> count == 0);
        return counts;
    }

    private static DynamicTest finds(String what, Run run, Map<String, Long> expected) {
        return DynamicTest.dynamicTest(what, () -> {
            CrashVerdict verdict = run.check();
            assertThat(counts(verdict)).as(verdict.examples().toString()).isEqualTo(expected);
            assertThat(verdict.isClean()).isFalse();
            assertThat(verdict.examples()).isNotEmpty();
        });
    }

    private static DynamicTest accepts(String what, Run run) {
        return DynamicTest.dynamicTest(what, () -> {
            CrashVerdict verdict = run.check();
            assertThat(verdict.isClean()).as(verdict.examples().toString()).isTrue();
            assertThat(verdict.examples()).isEmpty();
        });
    }

    private static Run changed(Run run, Consumer<Run> change) {
        change.accept(run);
        return run;
    }

    @Test
    void aGoodRunIsCountedAndClean() {
        CrashVerdict verdict = good().check();

        assertThat(verdict).isEqualTo(new CrashVerdict(3, 3, 0, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, List.of()));
    }

    @TestFactory
    Stream<DynamicTest> eachKindOfViolationIsFound() {
        Run unread = new Run().acknowledged(1, 2, 3);
        unread.got(unread.application, 1, 2, 3).got(unread.wire, 1, 2, 3).got(unread.reader, 1, 3);
        Run lastUnread = new Run().acknowledged(1, 2);
        lastUnread.got(lastUnread.application, 1, 2).got(lastUnread.wire, 1, 2).got(lastUnread.reader, 1);
        Run hole = new Run().acknowledged(1, 2, 3);
        hole.got(hole.application, 1, 2, 3).got(hole.wire, 1, 3).got(hole.reader, 1, 2, 3);
        Run shortOfTheEnd = new Run().acknowledged(1, 2);
        shortOfTheEnd
                .got(shortOfTheEnd.application, 1)
                .got(shortOfTheEnd.wire, 1, 2)
                .got(shortOfTheEnd.reader, 1, 2);
        Run announced = new Run().acknowledged(1, 2);
        announced.got(announced.application, 1, 2).got(announced.wire, 1).got(announced.reader, 1, 2);
        announced.wire.missed(0, 2, 2, EPOCH);
        Run announcedInAnotherEpoch = new Run().acknowledged(1, 2);
        announcedInAnotherEpoch
                .got(announcedInAnotherEpoch.application, 1, 2)
                .got(announcedInAnotherEpoch.wire, 1)
                .got(announcedInAnotherEpoch.reader, 1, 2);
        announcedInAnotherEpoch.wire.missed(0, 2, 2, EPOCH + 1);
        Run backwards = new Run().acknowledged(1, 2);
        backwards.got(backwards.application, 1, 2).got(backwards.wire, 2, 1).got(backwards.reader, 1, 2);
        Run leftTooEarly = new Run().acknowledged(1, 2, 3);
        leftTooEarly
                .got(leftTooEarly.application, 1, 2, 3)
                .got(leftTooEarly.wire, 1, 3)
                .got(leftTooEarly.reader, 1, 2, 3);
        leftTooEarly.wire.left(0, 3, EPOCH);
        Run vanished = good();
        vanished.publisher.published(0, event(4));
        vanished.publisher.unknown(0, event(4), 2005);
        vanished.got(vanished.application, 4);
        return Stream.of(
                finds("acknowledged and not stored", unread, Map.of("lost", 1L)),
                finds("the last one acknowledged and not stored", lastUnread, Map.of("lost", 1L)),
                finds("stored and skipped by a follower that went on", hole, Map.of("lost", 1L)),
                finds("stored and never delivered to one that follows to the end", shortOfTheEnd, Map.of("lost", 1L)),
                finds("skipped by one that left behind it", leftTooEarly, Map.of("lost", 1L)),
                finds("delivered and not stored, acknowledged or not", vanished, Map.of("lost", 1L)),
                finds("stored and announced as missing", announced, Map.of("announced", 1L)),
                finds("announced in an epoch that is not the event's", announcedInAnotherEpoch, Map.of("lost", 1L)),
                finds(
                        "twice to an application, at another offset",
                        changed(good(), run -> run.application.event(0, event(2), 9, EPOCH)),
                        Map.of("duplicated", 1L)),
                finds(
                        "twice on the wire behind one cursor",
                        changed(good(), run -> run.got(run.wire, 3)),
                        Map.of("duplicated", 1L)),
                finds(
                        "stored twice",
                        changed(good(), run -> run.reader.event(0, event(3), 4, EPOCH)),
                        Map.of("duplicated", 1L)),
                finds("offsets that go back", backwards, Map.of("disordered", 2L)),
                finds(
                        "a publisher's events stored in another order",
                        changed(new Run(), run -> {
                            run.publisher.published(0, event(1));
                            run.publisher.published(0, event(2));
                            run.publisher.accepted(0, event(2), 1, EPOCH);
                            run.publisher.accepted(0, event(1), 2, EPOCH);
                            for (ClientLog log : List.of(run.application, run.wire, run.reader)) {
                                log.event(0, event(2), 1, EPOCH);
                                log.event(0, event(1), 2, EPOCH);
                            }
                        }),
                        Map.of("disordered", 4L)),
                finds(
                        "acknowledged at another offset than it has",
                        changed(new Run(), run -> {
                            run.publisher.published(0, event(1));
                            run.publisher.accepted(0, event(1), 5, EPOCH);
                            run.got(run.application, 1).got(run.wire, 1).got(run.reader, 1);
                        }),
                        Map.of("disordered", 1L)),
                finds(
                        "an offset that names two events, one of them only in a receipt",
                        changed(good(), run -> {
                            run.publisher.published(0, event(4));
                            run.publisher.accepted(0, event(4), 3, EPOCH);
                        }),
                        Map.of("offsetReused", 1L, "lost", 1L, "disordered", 1L)),
                finds(
                        "an epoch that changed",
                        changed(new Run().acknowledged(1), run -> {
                            run.got(run.application, 1).got(run.wire, 1).got(run.reader, 1);
                            run.publisher.published(0, event(2));
                            run.publisher.accepted(0, event(2), 1, EPOCH + 1);
                            run.wire.left(0, 1, EPOCH);
                            run.wire.follows(0, 0, EPOCH + 1);
                            for (ClientLog log : List.of(run.application, run.wire, run.reader)) {
                                log.event(0, event(2), 1, EPOCH + 1);
                            }
                        }),
                        Map.of("epochChanged", 1L)),
                finds(
                        "read and never published",
                        changed(good(), run -> run.got(run.reader, 4)),
                        Map.of("phantom", 1L)),
                finds(
                        "a payload that was damaged",
                        changed(good(), run -> run.wire.event(0, ClientLog.FOREIGN, 4, EPOCH)),
                        Map.of("phantom", 1L)),
                finds(
                        "delivered though it was refused",
                        changed(good(), run -> {
                            run.publisher.published(0, event(4));
                            run.publisher.refused(0, event(4), 1011);
                            run.got(run.application, 4).got(run.wire, 4).got(run.reader, 4);
                        }),
                        Map.of("phantom", 3L)),
                finds(
                        "on another topic than it was published to",
                        changed(good(), run -> {
                            run.wire.follows(1, 0, EPOCH);
                            run.wire.event(1, event(1), 1, EPOCH);
                        }),
                        Map.of("phantom", 1L)),
                finds(
                        "without an outcome",
                        changed(good(), run -> run.publisher.published(0, event(4))),
                        Map.of("unaccounted", 1L)));
    }

    @TestFactory
    Stream<DynamicTest> whatIsRightIsNotTakenForAViolation() {
        Run late = good();
        late.wire.left(0, 3, EPOCH);
        late.wire.follows(0, 1, EPOCH);
        late.got(late.wire, 2, 3);
        late.wire.left(0, 3, EPOCH);
        Run leftInTheMiddle = new Run().acknowledged(1, 2, 3);
        leftInTheMiddle
                .got(leftInTheMiddle.application, 1, 2, 3)
                .got(leftInTheMiddle.wire, 1)
                .got(leftInTheMiddle.reader, 1, 2, 3);
        leftInTheMiddle.wire.left(0, 1, EPOCH);
        Run holes = new Run();
        for (int number : new int[] {1, 2}) {
            holes.publisher.published(0, event(number));
            holes.publisher.accepted(0, event(number), number * 100L, EPOCH);
            for (ClientLog log : List.of(holes.application, holes.wire, holes.reader)) {
                log.event(0, event(number), number * 100L, EPOCH);
            }
        }
        return Stream.of(
                accepts("nothing at all", new Run()),
                accepts("a follower that goes back to an old cursor and reads again", late),
                accepts("a follower that leaves in the middle", leftInTheMiddle),
                accepts("offsets with holes", holes),
                accepts("refused and not stored", changed(good(), run -> {
                    run.publisher.published(0, event(4));
                    run.publisher.refused(0, event(4), 1011);
                })),
                accepts("given up, and stored all the same", changed(good(), run -> {
                    run.publisher.published(0, event(4));
                    run.publisher.unknown(0, event(4), 2005);
                    run.got(run.application, 4).got(run.wire, 4).got(run.reader, 4);
                })));
    }

    @Test
    void aViolationIsToldWithWhatEachClientKnowsOfTheEvent() {
        Run run = new Run().acknowledged(1);
        run.got(run.application, 1);

        assertThat(run.check().examples())
                .singleElement()
                .asString()
                .startsWith("LOST: event 1 of publisher 3 was acknowledged and is not there at the end; ")
                .contains(
                        "publisher PUBLISHED to chat:a",
                        "publisher ACCEPTED epoch 7 offset 1",
                        "application EVENT epoch 7 offset 1");
    }
}
