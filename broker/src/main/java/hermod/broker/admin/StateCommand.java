package hermod.broker.admin;

import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.TopicName;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "state",
        mixinStandardHelpOptions = true,
        description = "Print the current state of a topic such as wallet:1, one key a line: key, version, value.")
final class StateCommand implements Callable<Integer> {
    @Mixin
    private final ServerOptions server = new ServerOptions();

    @Parameters(index = "0", paramLabel = "TOPIC", description = "For example wallet:1.")
    private String topic = "";

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        String fault = TopicName.faultOf(topic);
        if (fault != null) {
            throw new CliException(ExitCode.USAGE, fault + ".");
        }
        try (BrokerConnection connection = server.connect(Feature.STATE)) {
            connection.send(
                    FrameType.SUBSCRIBE,
                    1,
                    Subscribe.newBuilder().addTopics(topic).build());
            Subscribed subscribed = connection.decode(Subscribed.parser(), connection.expect(FrameType.SUBSCRIBED));
            if (subscribed.getResultsCount() != 1) {
                throw new CliException(ExitCode.FAILED, "The broker did not answer for the topic.");
            }
            TopicResult granted = BrokerConnection.granted(subscribed.getResults(0));
            if (!granted.hasStateCount()) {
                throw new CliException(ExitCode.FAILED, "The topic keeps no state, or the broker has none to give.");
            }
            Map<String, String> lines = granted.getStateCount() == 0 ? Map.of() : read(connection);
            PrintWriter out = spec.commandLine().getOut();
            lines.forEach((key, rest) -> out.println(TopicName.shown(key) + " " + rest));
            out.flush();
            return ExitCode.OK;
        }
    }

    /** Up to the PROGRESS behind the state; changes may come before it is read here, and only behind it. */
    private static Map<String, String> read(BrokerConnection connection) throws IOException {
        Map<String, String> lines = new TreeMap<>();
        while (true) {
            ByteBuf frame = connection.read();
            int type = FrameHeader.type(frame, 0);
            if (type == FrameType.PROGRESS.code()) {
                return lines;
            }
            if (type == FrameType.EVENT.code()) {
                String key = keyOf(frame);
                if (key != null) {
                    lines.put(key, EventFrame.offset(frame, 0) + " " + EventText.escaped(EventText.payload(frame)));
                }
            }
        }
    }

    private static @Nullable String keyOf(ByteBuf frame) {
        try {
            EventFrame.check(frame, 0);
        } catch (ProtocolException broken) {
            throw new CliException(
                    ExitCode.FAILED, "The broker breaks the protocol: " + broken.getMessage() + ".", broken);
        }
        int entryAt = EventFrame.entryAt(frame, 0);
        int fieldsAt = entryAt + Entry.FIELDS_AT;
        int fieldsBytes = Entry.fieldsBytes(frame, entryAt);
        if (EventFields.structureFaultOf(frame, fieldsAt, fieldsBytes) != null) {
            return null;
        }
        int at = EventFields.find(frame, fieldsAt, fieldsBytes, EventFields.TAG_KEY);
        return at < 0 ? null : frame.toString(at, EventFields.valueBytes(frame, at), StandardCharsets.UTF_8);
    }
}
