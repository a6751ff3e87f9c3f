package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.client.Event;
import hermod.client.HermodClient;
import hermod.client.OutgoingEvent;
import hermod.client.Schedule;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Events for later, over kills of the broker. */
@Tag("long")
@Tag("EV-10")
class ScheduleAcceptanceTest {
    private static final String TOPIC = "chat:later";
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    /** A start takes less, mostly: it decides how long a test takes, and nothing else. */
    private static final int START_S = 8;

    @TempDir
    private Path folder;

    private static Instant now(HermodClient client) {
        return Instant.EPOCH.plus(client.brokerNowUs(), java.time.temporal.ChronoUnit.MICROS);
    }

    private static Schedule at(HermodClient client, String text, Instant time) throws Exception {
        return client.schedule(TOPIC, OutgoingEvent.of(text)).at(time).get(10, TimeUnit.SECONDS);
    }

    private static List<String> texts(List<Event> events) {
        return events.stream().map(Event::text).toList();
    }

    @Test
    void anEventIsDeliveredOnceAtItsTimeThoughTheBrokerWasKilledAndACancelledOneNever() throws Exception {
        try (RestartedBroker broker = RestartedBroker.start(folder.resolve("data"))) {
            HermodClient author = broker.client("ada");
            List<Event> got = new CopyOnWriteArrayList<>();
            broker.client("bob").subscribe(TOPIC, got::add).join();
            Instant start = now(author).truncatedTo(java.time.temporal.ChronoUnit.MILLIS);
            Schedule meanwhile = at(author, "due while it was down", start.plusMillis(1_500));
            Schedule after = at(author, "due behind it", start.plusSeconds(6));
            Schedule gone = at(author, "cancelled", start.plusSeconds(5));
            Schedule far = at(author, "cancelled after the restart", start.plusSeconds(3_600));
            assertThat(gone.cancel().join()).isTrue();
            assertThat(got).isEmpty();

            broker.killAndStartAgain();

            assertThat(author.schedules().get(10, TimeUnit.SECONDS))
                    .extracting(Schedule::id)
                    .contains(far.id())
                    .doesNotContain(gone.id());
            assertThat(far.cancel().join()).isTrue();
            await().atMost(PATIENCE).until(() -> texts(got).contains("due behind it"));
            assertThat(after.cancel().join()).isFalse();
            at(author, "the last", now(author).plusMillis(500));
            await().atMost(PATIENCE).until(() -> texts(got).contains("the last"));
            assertThat(texts(got)).containsExactly("due while it was down", "due behind it", "the last");
            for (int i = 0; i < 2; i++) {
                Schedule schedule = i == 0 ? meanwhile : after;
                Event event = got.get(i);
                long dueUs = TimeUnit.MILLISECONDS.toMicros(schedule.nextAt().toEpochMilli());
                assertThat(event.eventId()).isEqualTo(schedule.id());
                assertThat(event.source()).isEqualTo("ada");
                assertThat(event.timestampUs()).isEqualTo(dueUs);
                assertThat(event.receivedAtUs()).isGreaterThanOrEqualTo(dueUs);
            }
            assertThat(author.schedules().join()).isEmpty();
        }
    }

    /** What is a rule's time comes soon, because each broker is started on a clock that is ahead, to some seconds before it. */
    @Test
    void aRecurringEventComesAtEachOfItsTimesAndOnceForThoseMissedUntilItIsCancelled() throws Exception {
        Path library = clockAhead(folder);
        Map<String, String> environment = Map.of(
                "LD_PRELOAD",
                library.toString(),
                "HERMOD_CLOCK_AHEAD_S",
                Long.toString(59 - START_S - Instant.now().getEpochSecond() % 60 + 60));
        try (RestartedBroker broker = RestartedBroker.start(folder.resolve("data"), environment)) {
            HermodClient author = broker.client("ada");
            List<Event> got = new CopyOnWriteArrayList<>();
            broker.client("bob").subscribe(TOPIC, got::add).join();
            Schedule every = author.schedule(TOPIC, OutgoingEvent.of("minute"))
                    .recurring("* * * * *", ZoneOffset.UTC)
                    .get(10, TimeUnit.SECONDS);
            long first = every.nextAt().getEpochSecond();
            await().atMost(PATIENCE).until(() -> !got.isEmpty());

            // Two minutes later, some seconds before the third is over.
            broker.kill();
            long aheadS = first + 180 - Instant.now().getEpochSecond() - START_S;
            broker.environment("HERMOD_CLOCK_AHEAD_S", Long.toString(aheadS));
            broker.startAgain();
            await().atMost(PATIENCE)
                    .untilAsserted(() -> assertThat(seconds(got)).contains(first + 180));
            assertThat(seconds(got))
                    .as("the second is part of what was missed, and so is the third where the start took long")
                    .startsWith(first)
                    .endsWith(first + 180)
                    .doesNotContain(first + 60)
                    .doesNotHaveDuplicates()
                    .hasSizeBetween(2, 3);

            assertThat(every.cancel().join()).isTrue();
            int count = got.size();
            broker.kill();
            broker.environment("HERMOD_CLOCK_AHEAD_S", Long.toString(aheadS + 180));
            broker.startAgain();
            assertThat(author.schedules().get(10, TimeUnit.SECONDS)).isEmpty();
            at(author, "the last", now(author).plusMillis(500));
            await().atMost(PATIENCE).until(() -> texts(got).contains("the last"));
            assertThat(texts(got)).hasSize(count + 1).endsWith("the last");
        }
    }

    private static List<Long> seconds(List<Event> events) {
        List<Long> seconds = new ArrayList<>();
        events.forEach(event -> seconds.add(TimeUnit.MICROSECONDS.toSeconds(event.timestampUs())));
        return seconds;
    }

    /** Builds the library that sets a process's wall clock ahead. */
    private static Path clockAhead(Path folder) throws Exception {
        Path source = folder.resolve("clockahead.c");
        try (InputStream in = ScheduleAcceptanceTest.class.getResourceAsStream("clockahead.c")) {
            Files.write(source, in.readAllBytes());
        }
        Path library = folder.resolve("clockahead.so");
        CommandLines.Outcome built = CommandLines.run(
                folder,
                Map.of(),
                60,
                List.of("cc", "-shared", "-fPIC", "-o", library.toString(), source.toString(), "-ldl"));
        assertThat(built.exitCode()).as(built.err()).isZero();
        return library;
    }
}
