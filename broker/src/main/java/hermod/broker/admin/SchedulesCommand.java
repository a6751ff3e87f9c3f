package hermod.broker.admin;

import com.github.f4b6a3.ulid.Ulid;
import com.google.protobuf.ByteString;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.TopicName;
import hermod.protocol.control.wire.Cancel;
import hermod.protocol.control.wire.Cancelled;
import hermod.protocol.control.wire.ScheduleList;
import hermod.protocol.control.wire.ScheduledEvent;
import hermod.protocol.control.wire.Schedules;
import hermod.protocol.frame.FrameType;
import java.io.IOException;
import java.io.PrintWriter;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "schedules",
        mixinStandardHelpOptions = true,
        description = "List the events for later of the token's user; 'hermod pub --at' and '--every' make them.",
        subcommands = SchedulesCommand.CancelCommand.class)
final class SchedulesCommand implements Callable<Integer> {
    private static final String ROW = "%-26s  %-27s  %-24s  %s%n";

    @Mixin
    private final ServerOptions server = new ServerOptions();

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        PrintWriter out = spec.commandLine().getOut();
        try (BrokerConnection connection = connect(server)) {
            out.printf(ROW, "ID", "NEXT", "TOPIC", "RULE");
            ByteString after = ByteString.EMPTY;
            boolean isMore = true;
            while (isMore) {
                connection.send(
                        FrameType.SCHEDULES,
                        1,
                        Schedules.newBuilder().setAfter(after).build());
                ScheduleList page =
                        connection.decode(ScheduleList.parser(), connection.expect(FrameType.SCHEDULE_LIST));
                for (ScheduledEvent event : page.getEventsList()) {
                    out.printf(ROW, id(event), next(event), TopicName.shown(event.getTopic()), rule(event));
                    after = event.getId();
                }
                isMore = page.getMore() && page.getEventsCount() > 0;
            }
        }
        out.flush();
        return ExitCode.OK;
    }

    /** @throws CliException FAILED where the broker schedules nothing. */
    static BrokerConnection connect(ServerOptions server) {
        BrokerConnection connection = server.connect(Feature.SCHEDULE);
        if (!Feature.SCHEDULE.isIn(connection.welcome().getFeatures())) {
            connection.close();
            throw BrokerConnection.refused(
                    "The broker schedules no events", ErrorCode.UNSUPPORTED.code(), ErrorCode.UNSUPPORTED.meaning());
        }
        return connection;
    }

    static String id(ScheduledEvent event) {
        return event.getId().size() == Ulid.ULID_BYTES
                ? Ulid.from(event.getId().toByteArray()).toString()
                : "?";
    }

    static String next(ScheduledEvent event) {
        return Instant.EPOCH.plus(event.getDeliverAtUs(), ChronoUnit.MICROS).toString();
    }

    private static String rule(ScheduledEvent event) {
        if (!event.hasRecurrence()) {
            return "once";
        }
        String zone = event.getRecurrence().getZone();
        return TopicName.shown(event.getRecurrence().getRule()) + " "
                + (zone.isEmpty() ? "UTC" : TopicName.shown(zone))
                + (event.getRecurrence().getUntilUs() == 0
                        ? ""
                        : " until " + Instant.EPOCH.plus(event.getRecurrence().getUntilUs(), ChronoUnit.MICROS));
    }

    @Command(name = "cancel", mixinStandardHelpOptions = true, description = "Cancel an event for later.")
    static final class CancelCommand implements Callable<Integer> {
        @Mixin
        private final ServerOptions server = new ServerOptions();

        @Parameters(index = "0", paramLabel = "ID", description = "As 'hermod schedules' lists it.")
        private String id = "";

        @Spec
        @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
        private CommandSpec spec;

        @Override
        public Integer call() throws IOException {
            if (!Ulid.isValid(id)) {
                throw new CliException(ExitCode.USAGE, "'" + TopicName.shown(id) + "' is no id of 26 characters.");
            }
            try (BrokerConnection connection = connect(server)) {
                connection.send(
                        FrameType.CANCEL,
                        1,
                        Cancel.newBuilder()
                                .setId(ByteString.copyFrom(Ulid.from(id).toBytes()))
                                .build());
                Cancelled answer = connection.decode(Cancelled.parser(), connection.expect(FrameType.CANCELLED));
                if (!answer.getCancelled()) {
                    throw new CliException(
                            ExitCode.FAILED, "There is no such event for later; it may have been sent already.");
                }
            }
            spec.commandLine().getOut().println("cancelled " + id);
            spec.commandLine().getOut().flush();
            return ExitCode.OK;
        }
    }
}
