package hermod.broker.admin;

import hermod.protocol.EventType;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
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
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
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
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

@Command(
        name = "sub",
        mixinStandardHelpOptions = true,
        description = "Subscribe to topics and print their events, one a line: topic, offset, publisher, payload.")
final class SubCommand implements Callable<Integer> {
    private static final JsonFactory JSON = new JsonFactory();

    @Mixin
    private final ServerOptions server = new ServerOptions();

    @Parameters(arity = "1..*", paramLabel = "TOPIC", description = "For example chat:room_7.")
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
            description = "Begin at an earlier event. Not in this version yet.")
    private @Nullable Long from;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        if (from != null) {
            throw new CliException(ExitCode.USAGE, "--from is not in this version yet.");
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
        try (BrokerConnection connection = server.connect()) {
            Map<Integer, String> byHandle = subscribe(connection);
            connection.waitForEver();
            print(connection, byHandle);
            return ExitCode.OK;
        }
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

    private void print(BrokerConnection connection, Map<Integer, String> byHandle) throws IOException {
        PrintWriter out = spec.commandLine().getOut();
        long printed = 0;
        while ((count == 0 || printed < count) && !out.checkError()) {
            ByteBuf frame = connection.expect(FrameType.EVENT);
            try {
                EventFrame.check(frame, 0);
            } catch (ProtocolException broken) {
                throw new CliException(
                        ExitCode.FAILED, "The broker breaks the protocol: " + broken.getMessage() + ".", broken);
            }
            String topic = byHandle.getOrDefault(FrameHeader.handle(frame, 0), "?");
            out.println(json ? json(topic, frame) : line(topic, frame));
            out.flush();
            printed++;
        }
    }

    private static String line(String topic, ByteBuf frame) {
        return TopicName.shown(topic) + " " + EventFrame.offset(frame, 0) + " " + TopicName.shown(source(frame)) + " "
                + escaped(payload(frame));
    }

    private static String json(String topic, ByteBuf frame) {
        int entryAt = EventFrame.entryAt(frame, 0);
        StringWriter text = new StringWriter();
        try (JsonGenerator out = JSON.createGenerator(ObjectWriteContext.empty(), text)) {
            out.writeStartObject();
            out.writeStringProperty("topic", topic);
            out.writeNumberProperty("offset", EventFrame.offset(frame, 0));
            out.writeNumberProperty("timestampUs", Entry.timestampUs(frame, entryAt));
            out.writeNumberProperty("ttlSeconds", Entry.ttlSeconds(frame, entryAt));
            out.writeStringProperty("type", type(frame, entryAt));
            out.writeStringProperty("priority", FrameHeader.priority(frame, 0).name());
            out.writeStringProperty("source", source(frame));
            out.writeStringProperty("payload", payload(frame));
            out.writeEndObject();
        }
        return text.toString();
    }

    private static String type(ByteBuf frame, int entryAt) {
        int type = Entry.type(frame, entryAt);
        if (type != EventType.CUSTOM) {
            return EventType.nameOf(type);
        }
        String own = field(frame, EventFields.TAG_TYPE_NAME);
        return own == null ? "" : own;
    }

    private static String source(ByteBuf frame) {
        String source = field(frame, EventFields.TAG_SOURCE);
        return source == null ? "-" : source;
    }

    private static @Nullable String field(ByteBuf frame, int tag) {
        int entryAt = EventFrame.entryAt(frame, 0);
        int fieldsBytes = Entry.fieldsBytes(frame, entryAt);
        if (EventFields.structureFaultOf(frame, entryAt + Entry.FIELDS_AT, fieldsBytes) != null) {
            return null;
        }
        return EventFields.text(frame, entryAt + Entry.FIELDS_AT, fieldsBytes, tag);
    }

    static String payload(ByteBuf frame) {
        int payloadAt = Entry.payloadAt(frame, EventFrame.entryAt(frame, 0));
        return frame.toString(payloadAt, frame.writerIndex() - payloadAt, StandardCharsets.UTF_8);
    }

    /** A payload is a stranger's; a terminal must not obey it, and a line stays one. */
    static String escaped(String text) {
        StringBuilder safe = new StringBuilder(text.length());
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '\n') {
                safe.append("\\n");
            } else {
                safe.append(c < ' ' || (c >= 0x7f && c <= 0x9f) || c == '\u2028' || c == '\u2029' ? '?' : c);
            }
        }
        return safe.toString();
    }
}
