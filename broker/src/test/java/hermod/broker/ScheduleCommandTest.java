package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.admin.AdminCli;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** {@code hermod pub --at}, {@code --every} and {@code hermod schedules} against a broker in this process. */
@Tag("EV-10")
class ScheduleCommandTest {
    private record Run(int exitCode, String out, String err) {}

    private static Run run(BrokerUnderTest broker, String... arguments) {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.add("--server");
        all.add("127.0.0.1:" + broker.address().getPort());
        all.add("--token");
        all.add(broker.token("alice", BrokerUnderTest.ORDINARY));
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        CommandLine line = AdminCli.commandLine(dataDir -> {
            throw new java.io.IOException("no store here");
        });
        line.setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
        int exitCode = line.execute(all.toArray(String[]::new));
        return new Run(exitCode, out.toString(), err.toString());
    }

    @Test
    void anEventForLaterIsMadeListedAndCancelled() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            Run once = run(broker, "pub", "chat:room", "hello", "--at", "+10m", "--priority", "high");
            assertThat(once.err()).isEmpty();
            assertThat(once.out()).startsWith("scheduled ").contains(" for chat:room, next at 20");
            String id = once.out().split(" ")[1];
            Run every = run(broker, "pub", "chat:room", "tick", "--every", "daily 08:30", "--zone", "Europe/Berlin");
            assertThat(every.exitCode()).isZero();
            Run listed = run(broker, "schedules");
            assertThat(listed.out().lines()).hasSize(3);
            assertThat(listed.out()).contains(id).contains("once").contains("daily 08:30 Europe/Berlin");
            assertThat(run(broker, "schedules", "cancel", id).out()).isEqualTo("cancelled " + id + "\n");
            Run again = run(broker, "schedules", "cancel", id);
            assertThat(again.exitCode()).isEqualTo(1);
            assertThat(again.err()).contains("no such event");
            assertThat(run(broker, "schedules").out().lines()).hasSize(2);
        }
    }

    @Test
    void whatMakesNoSenseIsToldInASentence() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            assertThat(run(broker, "pub", "chat:room", "--at", "tomorrow").err())
                    .contains("2026-12-24T18:00:00Z");
            assertThat(run(broker, "pub", "chat:room", "--at", "+1h", "--every", "daily 08:30")
                            .exitCode())
                    .isEqualTo(2);
            assertThat(run(broker, "pub", "chat:room", "--at", "+1h", "--count", "2")
                            .exitCode())
                    .isEqualTo(2);
            assertThat(run(broker, "pub", "feed:x", "--at", "+1h").err()).contains("not durable");
            assertThat(run(broker, "pub", "chat:room", "--every", "sometimes").err())
                    .contains("BAD_REQUEST")
                    .contains("daily HH:MM");
            assertThat(run(broker, "schedules", "cancel", "x").exitCode()).isEqualTo(2);
        }
    }
}
