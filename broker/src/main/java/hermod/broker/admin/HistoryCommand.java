package hermod.broker.admin;

import hermod.broker.config.Quantity;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.TopicName;
import hermod.protocol.control.wire.History;
import hermod.protocol.control.wire.History.Start;
import hermod.protocol.frame.HistoryPageFrame;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "history",
        mixinStandardHelpOptions = true,
        description =
                "Print what is stored of a topic, oldest first, one event a line: topic, offset, publisher, payload. Without --from, --since or --before: the newest events.")
final class HistoryCommand implements Callable<Integer> {
    private static final int LIMIT_MAX = 100_000;
    private static final String LIMIT = "" + ProtocolLimits.HISTORY_PAGE_EVENTS_DEFAULT;

    @Mixin
    private final ServerOptions server = new ServerOptions();

    @Parameters(paramLabel = "TOPIC", description = "For example chat:room_7.")
    private String topic = "";

    @ArgGroup
    private @Nullable Where where;

    /** At most one of them. */
    private static final class Where {
        @Option(names = "--from", paramLabel = "OFFSET", description = "From this event on.")
        private @Nullable Long from;

        @Option(
                names = "--since",
                paramLabel = "TIME",
                description = "From what the broker took this long ago on: 90s, 10m, 2h, 1d.")
        private @Nullable String since;

        @Option(names = "--before", paramLabel = "OFFSET", description = "The last ones before this event.")
        private @Nullable Long before;
    }

    @Option(
            names = "--limit",
            paramLabel = "N",
            defaultValue = LIMIT,
            description = "Print at most so many events (default: ${DEFAULT-VALUE}).")
    private int limit;

    @Option(names = "--json", description = "Print each event as JSON.")
    private boolean json;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        String fault = TopicName.faultOf(topic);
        if (fault != null) {
            throw new CliException(ExitCode.USAGE, fault + ".");
        }
        if (limit < 1 || limit > LIMIT_MAX) {
            throw new CliException(ExitCode.USAGE, "--limit must be 1 to " + LIMIT_MAX + ".");
        }
        Where at = where == null ? new Where() : where;
        checkOffset("--from", at.from);
        checkOffset("--before", at.before);
        long sinceUs = at.since == null ? 0 : agoUs(at.since);
        try (BrokerConnection connection = server.connect(Feature.HISTORY)) {
            PastReader reader = new PastReader(connection, spec.commandLine().getErr());
            History.Builder asked = History.newBuilder().setTopic(topic);
            if (at.from != null) {
                printForwards(reader, asked.setStart(Start.START_OFFSET).setOffset(at.from));
            } else if (at.since != null) {
                long timeUs = connection.welcome().getServerTimeUs() - sinceUs;
                printForwards(reader, asked.setStart(Start.START_TIME).setTimeUs(timeUs));
            } else if (at.before != null) {
                printBackwards(reader, asked.setStart(Start.START_OFFSET).setOffset(Math.max(0, at.before - 1)));
            } else {
                printBackwards(reader, asked.setStart(Start.START_NEWEST));
            }
            return ExitCode.OK;
        }
    }

    private static void checkOffset(String option, @Nullable Long offset) {
        if (offset != null && offset < 0) {
            throw new CliException(ExitCode.USAGE, option + " must be 0 or more.");
        }
    }

    private static long agoUs(String text) {
        OptionalLong seconds = Quantity.parse(text, Quantity.SECONDS);
        if (seconds.isEmpty() || seconds.getAsLong() < 0) {
            throw new CliException(
                    ExitCode.USAGE, "--since is '" + text + "'; it must be a duration such as 90s, 10m, 2h or 1d.");
        }
        return TimeUnit.SECONDS.toMicros(seconds.getAsLong());
    }

    private void printForwards(PastReader reader, History.Builder asked) throws IOException {
        int left = limit;
        while (true) {
            PastReader.Page page = reader.read(asked.setLimit(Math.min(left, ProtocolLimits.HISTORY_PAGE_EVENTS))
                    .build());
            HistoryPageFrame.Head head = page.head();
            print(page.events());
            left -= head.count();
            if (!head.hasMore() || left <= 0) {
                tellEnd(head, head.hasMore() ? "more with --from " + head.forwardsFrom() : null);
                return;
            }
            asked.setStart(Start.START_OFFSET).setOffset(head.forwardsFrom()).setEpoch(head.epoch());
        }
    }

    /** The newest are read first and printed last. */
    private void printBackwards(PastReader reader, History.Builder asked) throws IOException {
        Deque<ByteBuf> oldestFirst = new ArrayDeque<>();
        while (true) {
            PastReader.Page page = reader.read(asked.setBackwards(true)
                    .setLimit(Math.min(limit - oldestFirst.size(), ProtocolLimits.HISTORY_PAGE_EVENTS))
                    .build());
            HistoryPageFrame.Head head = page.head();
            page.events().forEach(oldestFirst::addFirst);
            if (!head.hasMore() || oldestFirst.size() >= limit) {
                print(oldestFirst);
                tellEnd(head, head.hasMore() ? "more with --before " + (head.backwardsFrom() + 1) : null);
                return;
            }
            asked.setStart(Start.START_OFFSET).setOffset(head.backwardsFrom()).setEpoch(head.epoch());
        }
    }

    private void print(Iterable<ByteBuf> events) {
        PrintWriter out = spec.commandLine().getOut();
        events.forEach(event -> out.println(EventText.of(topic, event, json)));
        out.flush();
    }

    private void tellEnd(HistoryPageFrame.Head head, @Nullable String more) {
        PrintWriter err = spec.commandLine().getErr();
        if (head.epoch() == 0) {
            err.println("nothing is stored of " + TopicName.shown(topic));
        } else if (more != null) {
            err.println(more);
        }
        err.flush();
    }
}
