package hermod.broker.admin;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Priority;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Limits;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Opened;
import hermod.protocol.control.wire.Platform;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PubSubCommandTest {
    private static final int HANDLE = 77;

    @Test
    void pubSaysHelloOpensTheTopicAndWaitsForEveryAcknowledgement() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            Hello hello = script.expect(FrameType.HELLO, Hello.parser());
            assertThat(hello.getToken()).isEqualTo("secret");
            assertThat(hello.getPlatform()).isEqualTo(Platform.PLATFORM_CLI);
            assertThat(hello.getDeviceId()).startsWith("cli-");
            assertThat(hello.getMinVersion()).isEqualTo(1);
            welcome(script);
            assertThat(script.expect(FrameType.OPEN, Open.parser()).getTopicsList())
                    .containsExactly("chat:room_7");
            script.send(
                    FrameType.OPENED,
                    Opened.newBuilder().addResults(granted("chat:room_7")).build());
            accept(script, 100, 1, "hi", 0);
            accept(script, 100, 101, "hi", 0);
            accept(script, 50, 201, "hi", 0);
            script.expect(FrameType.CLOSE);
        })) {
            Command pub = Command.run(
                    "pub", "chat:room_7", "hi", "--count", "250", "--server", broker.address(), "--token", "secret");
            assertThat(pub.err()).isEmpty();
            assertThat(pub.out()).isEqualTo("published 250 to chat:room_7, last offset 250\n");
            assertThat(pub.exitCode()).isZero();
        }
    }

    @Test
    void pubSendsAgainWhatIsRefusedForNow() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            open(script);
            for (int i = 0; i < 3; i++) {
                script.expect(FrameType.PUBLISH);
            }
            PublishedWriter outcome = new PublishedWriter();
            outcome.accepted(0, HANDLE, 1);
            outcome.refused(1, HANDLE, ErrorCode.RATE_LIMITED, 20);
            outcome.duplicate(2, HANDLE, 1);
            send(script, outcome);
            accept(script, 1, 2, "hello", 0);
            script.expect(FrameType.CLOSE);
        })) {
            Command pub = Command.run("pub", "chat:room_7", "--count", "3", "--server", broker.address());
            assertThat(pub.out()).isEqualTo("published 3 to chat:room_7, last offset 2\n");
            assertThat(pub.exitCode()).isZero();
        }
    }

    @Test
    void pubAsksForAPriority() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            open(script);
            accept(script, 1, 1, "x", FrameHeader.FLAG_PRIORITY_GIVEN | Priority.URGENT.code());
            script.expect(FrameType.CLOSE);
        })) {
            assertThat(Command.run("pub", "chat:room_7", "x", "--priority", "max", "--server", broker.address())
                            .exitCode())
                    .isZero();
        }
    }

    @Test
    void whatIsRefusedForGoodIsOneSentence() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            open(script);
            script.expect(FrameType.PUBLISH);
            PublishedWriter outcome = new PublishedWriter();
            outcome.refused(0, HANDLE, ErrorCode.PAYLOAD_TOO_LARGE, 0);
            send(script, outcome);
            script.expect(FrameType.CLOSE);
        })) {
            Command pub = Command.run("pub", "chat:room_7", "--server", broker.address());
            assertThat(pub.exitCode()).isEqualTo(ExitCode.FAILED);
            assertThat(pub.err()).contains("PAYLOAD_TOO_LARGE").hasLineCount(1);
        }
    }

    @Test
    void aRefusedTopicOrTokenIsOneSentence() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            script.expect(FrameType.HELLO);
            welcome(script);
            script.expect(FrameType.SUBSCRIBE);
            script.send(
                    FrameType.SUBSCRIBED,
                    Subscribed.newBuilder()
                            .addResults(TopicResult.newBuilder()
                                    .setTopic("dm:1")
                                    .setCode(ErrorCode.FORBIDDEN.code())
                                    .setMessage("no\nright"))
                            .build());
            script.expect(FrameType.CLOSE);
        })) {
            Command sub = Command.run("sub", "dm:1", "--server", broker.address());
            assertThat(sub.exitCode()).isEqualTo(ExitCode.FAILED);
            assertThat(sub.err()).contains("'dm:1'", "FORBIDDEN", "no?right").hasLineCount(1);
        }
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            script.expect(FrameType.HELLO);
            script.send(
                    FrameType.CLOSE,
                    Close.newBuilder()
                            .setCode(CloseCode.UNAUTHORIZED.code())
                            .setMessage("The token is missing.")
                            .build());
        })) {
            Command sub = Command.run("sub", "dm:1", "--server", broker.address());
            assertThat(sub.exitCode()).isEqualTo(ExitCode.FAILED);
            assertThat(sub.err())
                    .contains("UNAUTHORIZED, The token is missing.")
                    .hasLineCount(1);
        }
    }

    @Test
    void subPrintsEachEventOnOneLineAndAnswersPing() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            subscribe(script);
            ByteBuf ping = Unpooled.buffer();
            ClockFrames.writePing(ping, 9, 1_234);
            script.send(ping);
            ByteBuf pong = script.expect(FrameType.PONG);
            assertThat(FrameHeader.requestId(pong, 0)).isEqualTo(9);
            assertThat(ClockFrames.pingSentUs(pong, 0)).isEqualTo(1_234);
            script.send(event(5, "u1", "one\ntwo \u001b[31m"));
            script.send(event(7, "u2", "é"));
            script.expect(FrameType.CLOSE);
        })) {
            Command sub = Command.run("sub", "chat:room_7", "--count", "2", "--server", broker.address());
            assertThat(sub.out()).isEqualTo("chat:room_7 5 u1 one\\ntwo ?[31m\nchat:room_7 7 u2 é\n");
            assertThat(sub.err()).isEqualTo("subscribed to chat:room_7, next offset 5\n");
            assertThat(sub.exitCode()).isZero();
        }
    }

    @Test
    void subPrintsJson() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            subscribe(script);
            script.send(event(5, "u1", "a \"b\""));
            script.expect(FrameType.CLOSE);
        })) {
            Command sub = Command.run("sub", "chat:room_7", "--json", "--count", "1", "--server", broker.address());
            assertThat(sub.out())
                    .isEqualTo(
                            "{\"topic\":\"chat:room_7\",\"offset\":5,\"timestampUs\":1000,\"ttlSeconds\":60,"
                                    + "\"type\":\"CHAT_MESSAGE\",\"priority\":\"HIGH\",\"source\":\"u1\",\"payload\":\"a \\\"b\\\"\"}\n");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"HTTP/1.1 400 Bad Request\r\n\r\n", "", "\u0001\u0000\u0000\u0000", "\u007f\u007f\u007f\u007f"})
    void somethingElseAtTheAddressIsOneSentence(String answer) throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            script.expect(FrameType.HELLO);
            script.sendRaw(answer.getBytes(StandardCharsets.ISO_8859_1));
        })) {
            Command sub = Command.run("sub", "chat:room_7", "--server", broker.address());
            assertThat(sub.exitCode()).isEqualTo(ExitCode.FAILED);
            assertThat(sub.err()).startsWith("hermod: ").hasLineCount(1);
        }
    }

    private static void open(ScriptedBroker script) throws Exception {
        script.expect(FrameType.HELLO);
        welcome(script);
        script.expect(FrameType.OPEN);
        script.send(
                FrameType.OPENED,
                Opened.newBuilder().addResults(granted("chat:room_7")).build());
    }

    private static void subscribe(ScriptedBroker script) throws Exception {
        script.expect(FrameType.HELLO);
        welcome(script);
        assertThat(script.expect(FrameType.SUBSCRIBE, Subscribe.parser()).getTopicsList())
                .containsExactly("chat:room_7");
        script.send(
                FrameType.SUBSCRIBED,
                Subscribed.newBuilder().addResults(granted("chat:room_7")).build());
    }

    private static void welcome(ScriptedBroker script) throws Exception {
        script.send(
                FrameType.WELCOME,
                Welcome.newBuilder()
                        .setVersion(1)
                        .setConnectionId("c")
                        .setLimits(Limits.newBuilder().setFrameBytes(278_528))
                        .setPingIntervalMs(15_000)
                        .build());
    }

    private static TopicResult granted(String topic) {
        return TopicResult.newBuilder()
                .setTopic(topic)
                .setGranted(true)
                .setHandle(HANDLE)
                .setNextOffset(5)
                .build();
    }

    /** Takes so many events and accepts them with offsets from {@code firstOffset}. */
    private static void accept(ScriptedBroker script, int count, long firstOffset, String payload, int flags)
            throws Exception {
        PublishedWriter outcome = new PublishedWriter();
        for (int i = 0; i < count; i++) {
            ByteBuf frame = script.expect(FrameType.PUBLISH);
            int entryAt = FrameHeader.bodyAt(frame, 0) + PublishFrame.SEQUENCE_BYTES;
            int payloadAt = Entry.payloadAt(frame, entryAt);
            assertThat(frame.toString(payloadAt, frame.writerIndex() - payloadAt, StandardCharsets.UTF_8))
                    .isEqualTo(payload);
            assertThat(FrameHeader.handle(frame, 0)).isEqualTo(HANDLE);
            assertThat(FrameHeader.flags(frame, 0)).isEqualTo(flags);
            outcome.accepted(FrameHeader.requestId(frame, 0), HANDLE, firstOffset + i);
        }
        send(script, outcome);
    }

    private static void send(ScriptedBroker script, PublishedWriter outcome) throws Exception {
        ByteBuf frame = Unpooled.buffer();
        outcome.writeTo(frame);
        script.send(frame);
    }

    private static ByteBuf event(long offset, String source, String payload) {
        ByteBuf fields = Unpooled.buffer();
        EventFields.write(fields, EventFields.TAG_SOURCE, source.getBytes(StandardCharsets.UTF_8));
        byte[] bytes = payload.getBytes(StandardCharsets.UTF_8);
        ByteBuf frame = Unpooled.buffer();
        FrameHeader.write(
                frame,
                FrameType.EVENT,
                Priority.HIGH.code(),
                HANDLE,
                0,
                Long.BYTES + Entry.FIXED_BYTES + fields.readableBytes() + bytes.length);
        frame.writeLongLE(offset);
        Entry.writeFixed(frame, 1_000, 60, 1, fields.readableBytes());
        return frame.writeBytes(fields).writeBytes(bytes);
    }
}
