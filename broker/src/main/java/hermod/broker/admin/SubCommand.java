package hermod.broker.admin;

import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.TopicName;
import hermod.protocol.control.wire.Cursor;
import hermod.protocol.control.wire.History;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.ResumeResult;
import hermod.protocol.control.wire.Resumed;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.HistoryPageFrame;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "sub",
        mixinStandardHelpOptions = true,
        description =
                "Subscribe to topics and print their events, one a line: topic, offset, publisher, payload. With --group or --observe all events of a channel.")
final class SubCommand implements Callable<Integer> {
    @Mixin
    private final ServerOptions server = new ServerOptions();

    @Parameters(
            arity = "1..*",
            paramLabel = "TOPIC",
            description = "For example chat:room_7. A channel, such as chat, with --group and --observe.")
    private List<String> topics = new ArrayList<>();

    @Option(
            names = "--count",
            paramLabel = "N",
            defaultValue = "0",
            description = "Stop after this many events (default: never).")
    private long count;

    @Option(names = "--json", description = "Print each event as JSON.")
    private boolean json;

    @Option(
            names = "--from",
            paramLabel = "OFFSET",
            description = "Begin at an earlier event: first what is stored from there on, then what comes. One topic.")
    private @Nullable Long from;

    @Option(
            names = "--group",
            paramLabel = "NAME",
            description =
                    "Take part in a group that shares the channel's events, and settle each that was printed: no other member gets it. The group is made if it is not there, and stays until it is deleted.")
    private @Nullable String group;

    @Option(
            names = "--observe",
            paramLabel = "NAME",
            description =
                    "The same as the only one under this name: get all events of the channel, from where this name was before. Takes over from another one.")
    private @Nullable String observer;

    @Option(
            names = "--first",
            description =
                    "With --group or --observe, if that makes it: begin with the first event that the channel's log has (default: what is stored from now on).")
    private boolean isFirst;

    private long printed;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        if (group != null || observer != null) {
            return consume();
        }
        if (isFirst) {
            throw new CliException(ExitCode.USAGE, "--first goes with --group or --observe.");
        }
        for (String topic : topics) {
            String fault = TopicName.faultOf(topic);
            if (fault != null) {
                throw new CliException(ExitCode.USAGE, fault + ".");
            }
        }
        if (topics.size() > ProtocolLimits.TOPICS_PER_REQUEST) {
            throw new CliException(ExitCode.USAGE, "At most " + ProtocolLimits.TOPICS_PER_REQUEST + " topics.");
        }
        Long begin = from;
        if (begin == null) {
            try (BrokerConnection connection = server.connect()) {
                Map<Integer, String> byHandle = subscribe(connection);
                connection.waitForEver();
                print(connection, byHandle, 0);
                return ExitCode.OK;
            }
        }
        if (topics.size() > 1 || begin < 0) {
            throw new CliException(
                    ExitCode.USAGE, begin < 0 ? "--from must be 0 or more." : "--from goes with one topic.");
        }
        try (BrokerConnection connection = server.connect(Feature.HISTORY, Feature.RESUME)) {
            printFrom(connection, topics.get(0), begin);
            return ExitCode.OK;
        }
    }

    private int consume() throws IOException {
        if (group != null && observer != null) {
            throw new CliException(ExitCode.USAGE, "--group and --observe exclude each other.");
        }
        if (from != null) {
            throw new CliException(
                    ExitCode.USAGE, "--from goes with a topic; a group goes on where it was, a new one with --first.");
        }
        String channel = topics.get(0);
        if (topics.size() > 1 || channel.indexOf(':') >= 0) {
            throw new CliException(
                    ExitCode.USAGE, "--group and --observe take one channel, such as chat, and not a topic.");
        }
        boolean isObserver = group == null;
        String name = String.valueOf(isObserver ? observer : group);
        if (!ChannelReader.isName(name)) {
            throw new CliException(ExitCode.USAGE, "A group's name has 1 to 64 of a-z, A-Z, 0-9, '.', '_', '-'.");
        }
        try (BrokerConnection connection = server.connect(Feature.GROUP)) {
            ChannelReader reader = new ChannelReader(connection, this::tell);
            reader.join(channel, name, isObserver, isFirst);
            reader.read(count, (topic, event) -> {
                print(topic, event);
                return !spec.commandLine().getOut().checkError();
            });
            return reader.isEndedByBroker() ? ExitCode.FAILED : ExitCode.OK;
        }
    }

    /** First what is stored, page by page; then RESUME goes on behind the last page, so nothing is missed or comes twice. */
    private void printFrom(BrokerConnection connection, String topic, long begin) throws IOException {
        PastReader past = new PastReader(connection, spec.commandLine().getErr());
        HistoryPageFrame.Head end = printPages(past, topic, begin, 0, Long.MAX_VALUE);
        if (isDone()) {
            return;
        }
        long cursor = end.forwardsFrom() - 1;
        ResumeResult resumed = resume(connection, topic, end.epoch(), cursor);
        TopicResult granted = BrokerConnection.granted(resumed.getTopic());
        if (resumed.getOutcome() == ResumeResult.Outcome.OUTCOME_LOST && end.epoch() != 0) {
            if (granted.getEpoch() != end.epoch()) {
                tell("the topic was forgotten meanwhile and began anew");
            } else if (resumed.getFromOffset() > cursor + 1) {
                // Stored since the last page, and not in the broker's memory any more.
                end = printPages(past, topic, cursor + 1, end.epoch(), resumed.getFromOffset());
                if (end.forwardsFrom() < resumed.getFromOffset()) {
                    tell("offsets " + end.forwardsFrom() + " to " + (resumed.getFromOffset() - 1) + " can't be had");
                }
            }
        }
        tell("subscribed to " + TopicName.shown(topic) + ", next offset " + granted.getNextOffset());
        connection.waitForEver();
        print(connection, Map.of(granted.getHandle(), topic), granted.getNextOffset());
    }

    private static ResumeResult resume(BrokerConnection connection, String topic, int epoch, long offset)
            throws IOException {
        if (!Feature.RESUME.isIn(connection.welcome().getFeatures())) {
            throw new CliException(ExitCode.FAILED, "The broker does not resume subscriptions.");
        }
        Resume.Builder wanted = Resume.newBuilder()
                .setResumeToken(connection.welcome().getResumeToken())
                .addCursors(Cursor.newBuilder().setTopic(topic).setEpoch(epoch).setOffset(offset));
        Resumed resumed = connection.decode(
                Resumed.parser(), connection.ask(FrameType.RESUME, 1, wanted.build(), FrameType.RESUMED));
        if (resumed.getResultsCount() != 1) {
            throw new CliException(ExitCode.FAILED, "The broker did not answer for the topic.");
        }
        return resumed.getResults(0);
    }

    /**
     * Prints what is stored from an offset on.
     *
     * @param before the first offset that is not wanted.
     * @return the last page's head.
     */
    private HistoryPageFrame.Head printPages(PastReader past, String topic, long begin, int epoch, long before)
            throws IOException {
        History.Builder asked = History.newBuilder()
                .setTopic(topic)
                .setStart(History.Start.START_OFFSET)
                .setOffset(begin)
                .setEpoch(epoch)
                .setLimit(ProtocolLimits.HISTORY_PAGE_EVENTS);
        while (true) {
            PastReader.Page page = past.read(asked.build());
            for (ByteBuf event : page.events()) {
                if (!isDone() && EventFrame.offset(event, 0) < before) {
                    print(topic, event);
                }
            }
            HistoryPageFrame.Head head = page.head();
            if (isDone() || !head.hasMore() || head.forwardsFrom() >= before) {
                return head;
            }
            asked.setOffset(head.forwardsFrom()).setEpoch(head.epoch());
        }
    }

    private void tell(String what) {
        PrintWriter err = spec.commandLine().getErr();
        err.println(what);
        err.flush();
    }

    private Map<Integer, String> subscribe(BrokerConnection connection) throws IOException {
        connection.send(
                FrameType.SUBSCRIBE,
                1,
                Subscribe.newBuilder().addAllTopics(topics).build());
        Subscribed subscribed = connection.decode(Subscribed.parser(), connection.expect(FrameType.SUBSCRIBED));
        Map<Integer, String> byHandle = new HashMap<>();
        PrintWriter err = spec.commandLine().getErr();
        for (TopicResult result : subscribed.getResultsList()) {
            TopicResult granted = BrokerConnection.granted(result);
            byHandle.put(granted.getHandle(), granted.getTopic());
            err.println("subscribed to " + TopicName.shown(granted.getTopic()) + ", next offset "
                    + granted.getNextOffset());
        }
        err.flush();
        return byHandle;
    }

    /** @param first offset that is wanted: what is below it was printed. */
    private void print(BrokerConnection connection, Map<Integer, String> byHandle, long first) throws IOException {
        while (!isDone()) {
            ByteBuf frame = connection.nextEvent();
            try {
                EventFrame.check(frame, 0);
            } catch (ProtocolException broken) {
                throw new CliException(
                        ExitCode.FAILED, "The broker breaks the protocol: " + broken.getMessage() + ".", broken);
            }
            if (EventFrame.offset(frame, 0) >= first) {
                print(byHandle.getOrDefault(FrameHeader.handle(frame, 0), "?"), frame);
            }
        }
    }

    private void print(String topic, ByteBuf event) {
        PrintWriter out = spec.commandLine().getOut();
        out.println(EventText.of(topic, event, json));
        out.flush();
        printed++;
    }

    private boolean isDone() {
        return (count != 0 && printed >= count) || spec.commandLine().getOut().checkError();
    }
}
