package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.control.wire.ChannelLatency;
import hermod.protocol.control.wire.Report;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** Any bytes at all: an answer with the right code or a close, no defect, no leak, and nobody else notices. */
@Tag("SE-6")
@ExtendWith(LeakCheck.class)
class BadInputEndToEndTest {
    private static final int LENGTH_AT = 0;

    @Test
    void aLengthThatCantBeIsRefusedBeforeAnythingIsReadBehindIt() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            for (long length : new long[] {0, 3, 11}) {
                assertThat(afterWelcome(broker, head(length, FrameType.PING.code(), 0)))
                        .isEqualTo(CloseCode.BAD_FRAME);
            }
            for (long length : new long[] {256 * 1024 + 16 * 1024 - 3, Integer.MAX_VALUE, 0x8000_0000L, 0xffff_ffffL}) {
                assertThat(afterWelcome(broker, head(length, FrameType.PUBLISH.code(), 0)))
                        .isEqualTo(CloseCode.FRAME_TOO_LONG);
            }
            RawClient stranger = broker.socket();
            stranger.send(head(16 * 1024 - 3, FrameType.HELLO.code(), 0));
            assertThat(stranger.readClose()).isEqualTo(CloseCode.FRAME_TOO_LONG.code());
        }
    }

    @Test
    void anUnknownTypeIsRefusedUnlessItSaysItMayBeIgnored() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.client("alice");
            client.send(head(12, 0x7f, 0));
            assertThat(client.readError()).isEqualTo(ErrorCode.UNKNOWN_FRAME.code());
            client.send(head(12, 0x7f, FrameHeader.FLAG_IGNORE_IF_UNKNOWN));
            client.send(head(12, FrameType.EVENT.code(), 0));
            assertThat(client.readError()).isEqualTo(ErrorCode.UNKNOWN_FRAME.code());
            for (FrameType later : new FrameType[] {FrameType.CREDIT, FrameType.ACK, FrameType.RESUME}) {
                client.send(head(12, later.code(), 0));
                assertThat(client.readError()).isEqualTo(ErrorCode.UNSUPPORTED.code());
            }
        }
    }

    @Test
    void aReservedFlagCompressionOrABrokenExtensionEndsTheConnection() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            assertThat(afterWelcome(broker, head(12, FrameType.PING.code(), 0x80)))
                    .isEqualTo(CloseCode.BAD_FRAME);
            assertThat(afterWelcome(broker, head(12, FrameType.PING.code(), FrameHeader.FLAG_COMPRESSED)))
                    .isEqualTo(CloseCode.BAD_FRAME);
            byte[] beyond = head(12, FrameType.PING.code(), 0);
            beyond[FrameHeader.EXTENSION_LENGTH_AT] = 9;
            assertThat(afterWelcome(broker, beyond)).isEqualTo(CloseCode.BAD_FRAME);
        }
    }

    @Test
    void badProtobufAndBadTextEndTheConnection() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            byte[] notUtf8 = {10, 2, (byte) 0xc3, (byte) 0x28};
            byte[] truncated = {10, 50, 'a'};
            for (byte[] body : new byte[][] {notUtf8, truncated}) {
                byte[] frame = java.util.Arrays.copyOf(
                        head(12 + body.length, FrameType.SUBSCRIBE.code(), 0), 16 + body.length);
                System.arraycopy(body, 0, frame, 16, body.length);
                assertThat(afterWelcome(broker, frame)).isEqualTo(CloseCode.BAD_FRAME);
            }
        }
    }

    @Test
    void aHundredErrorsEndTheConnection() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.client("alice");
            for (int i = 0; i < 100; i++) {
                client.send(head(12, 0x7f, 0));
            }
            assertThat(client.readClose()).isEqualTo(CloseCode.TOO_MANY_ERRORS.code());
        }
    }

    @Test
    void tooManyTopicsInOneRequestAreRefusedAsOne() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.client("alice");
            Subscribe.Builder many = Subscribe.newBuilder();
            for (int i = 0; i < 1_001; i++) {
                many.addTopics("chat:" + i);
            }
            client.send(FrameType.SUBSCRIBE, 1, many.build());
            assertThat(client.readError()).isEqualTo(ErrorCode.BAD_REQUEST.code());
        }
    }

    @Test
    void aReportOfMoreThanWasDeliveredIsNotBelieved() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.client("alice");
            int handle = client.subscribe("chat:room").getHandle();
            client.publish(handle, 1, "x");
            client.readEvent();
            client.readPublished();
            client.send(FrameType.REPORT, 1, report("chat", 2));
            assertThat(client.readError()).isEqualTo(ErrorCode.BAD_REPORT.code());
            client.send(FrameType.REPORT, 2, report("nosuch", 1));
            assertThat(client.readError()).isEqualTo(ErrorCode.BAD_REPORT.code());
            client.send(FrameType.REPORT, 3, report("chat", 1));
            org.awaitility.Awaitility.await()
                    .untilAsserted(() -> assertThat(
                                    broker.channel("chat").publishToHandler().count())
                            .isEqualTo(1));
        }
    }

    private static Report report(String channel, long count) {
        return Report.newBuilder()
                .addChannels(ChannelLatency.newBuilder()
                        .setChannel(channel)
                        .addValueUs(120)
                        .addCount(count))
                .build();
    }

    @TestFactory
    Stream<DynamicTest> everyBrokenVectorEndsOrRefusesAndTheBrokerGoesOn() throws Exception {
        BrokerUnderTest broker = BrokerUnderTest.start();
        RawClient witness = broker.client("witness");
        int handle = witness.subscribe("chat:witness").getHandle();
        JsonNode vectors = new ObjectMapper()
                .readTree(java.nio.file.Path.of(
                                System.getProperty("hermod.root", ".."),
                                "protocol/src/test/resources/vectors/broken.json")
                        .toFile());
        return Stream.concat(
                vectors.valueStream()
                        .map(vector ->
                                DynamicTest.dynamicTest(vector.get("name").asString(), () -> {
                                    RawClient client = broker.client("mallory");
                                    client.send(java.util.HexFormat.of()
                                            .parseHex(vector.get("hex").asString()));
                                    client.socket().shutdownOutput();
                                    client.readClose();
                                    client.close();
                                    assertThat(witness.echo(handle, "still here"))
                                            .isEqualTo("still here");
                                })),
                Stream.of(DynamicTest.dynamicTest("no defect was counted", broker::close)));
    }

    @Test
    void randomBytesInAnyPiecesLeakNothingAndHurtNobody() throws Exception {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(2)) {
            RawClient witness = broker.client("witness");
            int handle = witness.subscribe("chat:witness").getHandle();
            for (int i = 0; i < 300; i++) {
                RawClient client = i % 2 == 0 ? broker.socket() : broker.client("mallory");
                feedGarbage(client, random);
                client.close();
                if (i % 30 == 0) {
                    assertThat(witness.echo(handle, "still here"))
                            .as("seed %d", seed)
                            .isEqualTo("still here");
                }
            }
            assertThat(broker.counter("defects")).as("seed %d", seed).isZero();
        }
    }

    private static void feedGarbage(RawClient client, Random random) {
        try {
            for (int i = random.nextInt(8); i >= 0; i--) {
                byte[] bytes = new byte[1 + random.nextInt(400)];
                random.nextBytes(bytes);
                if (random.nextBoolean() && bytes.length > 16) {
                    // A length that fits, and a known type, get further in.
                    ByteBuf frame = Unpooled.wrappedBuffer(bytes);
                    frame.setIntLE(LENGTH_AT, bytes.length - 4);
                    frame.setByte(
                            FrameHeader.TYPE_AT, FrameType.values()[random.nextInt(FrameType.values().length)].code());
                    frame.setShortLE(FrameHeader.EXTENSION_LENGTH_AT, random.nextInt(4) == 0 ? random.nextInt(20) : 0);
                    frame.setByte(FrameHeader.FLAGS_AT, random.nextInt(128) & ~FrameHeader.FLAG_COMPRESSED);
                }
                client.send(bytes);
            }
        } catch (IOException closedByBroker) {
            // What garbage deserves.
        }
    }

    private static CloseCode afterWelcome(BrokerUnderTest broker, byte[] bytes) throws IOException {
        RawClient client = broker.client("mallory", java.util.List.of("pub:*", "sub:*", "limits:service"));
        client.send(bytes);
        int code = client.readClose();
        for (CloseCode known : CloseCode.values()) {
            if (known.code() == code) {
                return known;
            }
        }
        throw new AssertionError("closed without a known code: " + code);
    }

    private static byte[] head(long length, int type, int flags) {
        byte[] bytes = new byte[16];
        ByteBuf head = Unpooled.wrappedBuffer(bytes);
        head.setIntLE(LENGTH_AT, (int) length);
        head.setByte(FrameHeader.TYPE_AT, type);
        head.setByte(FrameHeader.FLAGS_AT, flags);
        return bytes;
    }
}
