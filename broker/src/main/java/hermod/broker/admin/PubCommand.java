package hermod.broker.admin;

import hermod.protocol.ErrorCode;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.TopicName;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Opened;
import hermod.protocol.control.wire.Scheduled;
import hermod.protocol.control.wire.ScheduledEvent;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "pub",
        mixinStandardHelpOptions = true,
        description = "Publish events, and wait until the broker has accepted them.")
final class PubCommand implements Callable<Integer> {
    /** Events on their way at a time. */
    private static final int BATCH = 100;

    private static final int RETRY_MS_MIN = 10;
    private static final int RETRY_MS_MAX = 5_000;

    @Mixin
    private final ServerOptions server = new ServerOptions();

    @Parameters(index = "0", paramLabel = "TOPIC", description = "For example chat:room_7.")
    private String topic = "";

    @Parameters(
            index = "1",
            arity = "0..1",
            paramLabel = "TEXT",
            description = "The payload (default: hello); - takes each line of the standard input as an event.")
    private String text = "hello";

    @Option(
            names = "--count",
            paramLabel = "N",
            defaultValue = "1",
            description = "How often to publish TEXT (default: 1).")
    private int count;

    @Option(
            names = "--priority",
            paramLabel = "P",
            description = "low, normal, high or urgent (default: the channel's).")
    private @Nullable Priority priority;

    @Mixin
    private final LaterOptions later = new LaterOptions();

    @Option(
            names = "--key",
            paramLabel = "K",
            description = "Set this key of a state topic, such as wallet:1, to TEXT.")
    private @Nullable String key;

    @Option(
            names = "--expect",
            paramLabel = "V",
            description =
                    "Only if the key has this version; 0: only if it does not exist. Otherwise the command ends with the version there is.")
    private @Nullable Long expected;

    @Option(names = "--delete", description = "Delete the key instead.")
    private boolean isDeletion;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    /** What came of a batch: how many were accepted, and which are to be sent again. */
    private static final class Outcome {
        int accepted;
        int retryAfterMs;
        long firstOffset = Long.MAX_VALUE;
        long lastOffset;
        final List<byte[]> again = new ArrayList<>();
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        String fault = TopicName.faultOf(topic);
        if (fault != null) {
            throw new CliException(ExitCode.USAGE, fault + ".");
        }
        if (count < 1) {
            throw new CliException(ExitCode.USAGE, "--count must be at least 1.");
        }
        if (later.isGiven()) {
            return schedule();
        }
        byte[] fields = fields();
        try (BrokerConnection connection = server.connect()) {
            connection.send(
                    FrameType.OPEN, 1, Open.newBuilder().addTopics(topic).build());
            Opened opened = connection.decode(Opened.parser(), connection.expect(FrameType.OPENED));
            if (opened.getResultsCount() != 1) {
                throw new CliException(ExitCode.FAILED, "The broker did not answer for the topic.");
            }
            TopicResult granted = BrokerConnection.granted(opened.getResults(0));
            long published = text.equals("-")
                    ? publishInput(connection, granted.getHandle(), fields)
                    : publishText(connection, granted.getHandle(), fields);
            spec.commandLine()
                    .getOut()
                    .println("published " + published + " to " + topic
                            + (published == 0 ? "" : ", last offset " + lastOffset));
            spec.commandLine().getOut().flush();
            return ExitCode.OK;
        }
    }

    private int schedule() throws IOException {
        if (count != 1 || text.equals("-")) {
            throw new CliException(ExitCode.USAGE, "--at and --every take one TEXT, and no --count.");
        }
        try (BrokerConnection connection = SchedulesCommand.connect(server)) {
            connection.send(
                    FrameType.SCHEDULE,
                    1,
                    later.schedule(
                            topic,
                            priorityFlags(),
                            text.getBytes(StandardCharsets.UTF_8),
                            connection.welcome().getServerTimeUs()));
            ScheduledEvent event = connection
                    .decode(Scheduled.parser(), connection.expect(FrameType.SCHEDULED))
                    .getEvent();
            spec.commandLine()
                    .getOut()
                    .println("scheduled " + SchedulesCommand.id(event) + " for " + topic + ", next at "
                            + SchedulesCommand.next(event));
            spec.commandLine().getOut().flush();
            return ExitCode.OK;
        }
    }

    private int priorityFlags() {
        return priority == null ? 0 : FrameHeader.FLAG_PRIORITY_GIVEN | priority.code();
    }

    private long lastOffset;

    private byte[] fields() {
        String name = key;
        Long version = expected;
        if (name == null) {
            if (version != null || isDeletion) {
                throw new CliException(ExitCode.USAGE, "--expect and --delete need --key.");
            }
            return new byte[0];
        }
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        if (bytes.length == 0 || bytes.length > ProtocolLimits.KEY_BYTES) {
            throw new CliException(ExitCode.USAGE, "--key must have 1 to " + ProtocolLimits.KEY_BYTES + " bytes.");
        }
        if (version != null && version < 0) {
            throw new CliException(ExitCode.USAGE, "--expect must be 0 or more.");
        }
        ByteBuf out = Unpooled.buffer();
        EventFields.write(out, EventFields.TAG_KEY, bytes);
        if (version != null) {
            EventFields.write(
                    out,
                    EventFields.TAG_EXPECTED_VERSION,
                    ByteBufUtil.getBytes(Unpooled.buffer(Long.BYTES).writeLongLE(version)));
        }
        if (isDeletion) {
            EventFields.write(out, EventFields.TAG_DELETED, new byte[0]);
        }
        return ByteBufUtil.getBytes(out);
    }

    private long publishText(BrokerConnection connection, int handle, byte[] fields)
            throws IOException, InterruptedException {
        byte[] payload = isDeletion ? new byte[0] : text.getBytes(StandardCharsets.UTF_8);
        for (int done = 0; done < count; done += BATCH) {
            publish(connection, handle, fields, Collections.nCopies(Math.min(BATCH, count - done), payload));
        }
        return count;
    }

    private long publishInput(BrokerConnection connection, int handle, byte[] fields)
            throws IOException, InterruptedException {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        long published = 0;
        String line = lines.readLine();
        while (line != null) {
            List<byte[]> batch = new ArrayList<>();
            do {
                batch.add(line.getBytes(StandardCharsets.UTF_8));
                line = lines.readLine();
            } while (line != null && batch.size() < BATCH && lines.ready());
            publish(connection, handle, fields, batch);
            published += batch.size();
        }
        return published;
    }

    /** Publishes all of them, again where the broker asks to come back later. */
    private void publish(BrokerConnection connection, int handle, byte[] fields, List<byte[]> payloads)
            throws IOException, InterruptedException {
        List<byte[]> waiting = payloads;
        while (!waiting.isEmpty()) {
            Outcome outcome = publishOnce(connection, handle, fields, waiting);
            lastOffset = Math.max(lastOffset, outcome.lastOffset);
            waiting = outcome.again;
            if (!waiting.isEmpty()) {
                Thread.sleep(Math.max(RETRY_MS_MIN, Math.min(RETRY_MS_MAX, outcome.retryAfterMs)));
            }
        }
    }

    private Outcome publishOnce(BrokerConnection connection, int handle, byte[] fields, List<byte[]> payloads)
            throws IOException {
        ByteBuf frames = Unpooled.buffer();
        int flags = priorityFlags();
        for (int i = 0; i < payloads.size(); i++) {
            byte[] payload = payloads.get(i);
            PublishFrame.writeHead(frames, flags, handle, i, 0, 0, 0, 0, fields.length, payload.length);
            frames.writeBytes(fields).writeBytes(payload);
        }
        connection.send(frames);
        Outcome outcome = new Outcome();
        PublishedFrame published = new PublishedFrame();
        while (outcome.accepted + outcome.again.size() < payloads.size()) {
            try {
                published.wrap(connection.expect(FrameType.PUBLISHED), 0);
            } catch (ProtocolException broken) {
                throw new CliException(
                        ExitCode.FAILED, "The broker breaks the protocol: " + broken.getMessage() + ".", broken);
            }
            collect(published, payloads, outcome);
        }
        return outcome;
    }

    private static void collect(PublishedFrame published, List<byte[]> payloads, Outcome outcome) {
        for (int i = 0; i < published.rangeCount(); i++) {
            outcome.accepted += published.rangeLength(i);
            outcome.firstOffset = Math.min(outcome.firstOffset, published.rangeFirstOffset(i));
            outcome.lastOffset =
                    Math.max(outcome.lastOffset, published.rangeFirstOffset(i) + published.rangeLength(i) - 1);
        }
        for (int i = 0; i < published.exceptionCount(); i++) {
            int kind = published.exceptionKind(i);
            if (kind == PublishedFrame.KIND_DUPLICATE) {
                outcome.accepted++;
            } else if (kind == PublishedFrame.KIND_REFUSED) {
                int code = published.exceptionCode(i);
                int requestId = published.exceptionRequestId(i);
                if (code == ErrorCode.CONFLICT.code()) {
                    long version = published.exceptionOffset(i);
                    throw BrokerConnection.refused(
                            "The broker refused an event",
                            code,
                            version == 0 ? "the key does not exist" : "the key's version is " + version);
                }
                if (!ErrorCode.isRetryable(code) || requestId < 0 || requestId >= payloads.size()) {
                    throw BrokerConnection.refused("The broker refused an event", code, meaning(code));
                }
                outcome.again.add(payloads.get(requestId));
                outcome.retryAfterMs = (int)
                        Math.max(outcome.retryAfterMs, Math.min(RETRY_MS_MAX, published.exceptionRetryAfterMs(i)));
            }
        }
    }

    private static String meaning(int code) {
        for (ErrorCode known : ErrorCode.values()) {
            if (known.code() == code) {
                return known.meaning();
            }
        }
        return "";
    }
}
