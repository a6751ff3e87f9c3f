package hermod.protocol.vectors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.google.protobuf.Message;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

class VectorsTest {
    @TestFactory
    Stream<DynamicTest> aValidFrameIsReadAsItsVectorSaysAndWrittenAsTheSameBytes() {
        return Vectors.valid().stream()
                .map(vector -> dynamicTest(vector.name(), () -> {
                    ByteBuf in = Unpooled.wrappedBuffer(vector.bytes());
                    FrameType type = FrameType.ofCode(FrameHeader.type(in, 0));
                    assertThat(type == null ? "UNKNOWN" : type.name()).isEqualTo(vector.frame());
                    assertThat(FrameHeader.frameBytes(in, 0)).isEqualTo(vector.bytes().length);

                    Receiver receiver = new Receiver(
                                    UnpooledByteBufAllocator.DEFAULT, isForClient(type), type != FrameType.HELLO)
                            .withLz4()
                            .withHistory()
                            .withGroups();
                    receiver.receive(in);
                    assertThat(receiver.refusals()).isEmpty();
                    assertThat(receiver.partialBytes()).isZero();
                    assertThat(FrameJson.decode(in, 0)).as(vector.name()).isEqualTo(withoutDerivedId(vector.fields()));

                    if (vector.canonical() && type != null) {
                        Message control = FrameJson.controlOf(type);
                        Message message = control == null
                                ? null
                                : (Message) ControlCodec.decode(control.getParserForType(), in, 0);
                        assertThat(HexFormat.of().formatHex(FrameJson.encode(vector.fields(), message)))
                                .as(vector.name())
                                .isEqualTo(HexFormat.of().formatHex(vector.bytes()));
                    }
                }));
    }

    @Tag("SE-6")
    @TestFactory
    Stream<DynamicTest> aBrokenFrameIsRefusedWithTheCodeOfItsVector() {
        return Vectors.broken().stream()
                .map(vector -> dynamicTest(vector.name(), () -> {
                    Receiver receiver =
                            new Receiver(UnpooledByteBufAllocator.DEFAULT, vector.toClient(), vector.afterWelcome());
                    if (vector.agreed().contains(Feature.LZ4.name())) {
                        receiver.withLz4();
                    }
                    if (vector.agreed().contains(Feature.HISTORY.name())) {
                        receiver.withHistory();
                    }
                    if (vector.agreed().contains(Feature.GROUP.name())) {
                        receiver.withGroups();
                    }
                    String answer;
                    try {
                        receiver.receive(Unpooled.wrappedBuffer(vector.bytes()));
                        answer = receiver.refusals().isEmpty()
                                ? (vector.afterWelcome() ? "SILENT" : "HANDSHAKE_TIMEOUT")
                                : receiver.refusals().get(0).code().name();
                    } catch (ProtocolException closed) {
                        answer = closed.code().name();
                    }
                    assertThat(answer).as(vector.name()).isEqualTo(vector.error());
                    if (!vector.refused().isEmpty()) {
                        assertThat(receiver.refusals())
                                .extracting(Receiver.Refusal::requestId)
                                .isEqualTo(vector.refused());
                    }
                    if (List.of("SILENT", "HANDSHAKE_TIMEOUT").contains(vector.error())) {
                        assertThat(receiver.taken().isEmpty() || receiver.partialBytes() > 0)
                                .isTrue();
                    }
                    receiver.close();
                }));
    }

    @Test
    void everyFrameTypeHasAValidVector() {
        assertThat(Vectors.valid().stream().map(Vectors.Valid::frame).collect(Collectors.toSet()))
                .containsAll(Arrays.stream(FrameType.values()).map(Enum::name).toList());
    }

    @Test
    void noTwoVectorsHaveTheSameName() {
        assertThat(Stream.concat(
                        Vectors.valid().stream().map(Vectors.Valid::name),
                        Vectors.broken().stream().map(Vectors.Broken::name)))
                .doesNotHaveDuplicates();
    }

    @Test
    void theIdOfAnEventWithoutOneIsMadeOfItsTimeItsEpochAndItsOffset() {
        JsonNode body = Vectors.valid().stream()
                .map(vector -> vector.fields().get("body"))
                .filter(candidate -> candidate.has("derivedId"))
                .findAny()
                .orElseThrow();
        long millis = Long.parseLong(body.get("timestampUs").asString()) / 1000;
        long offset = Long.parseLong(body.get("offset").asString());
        JsonNode derived = body.get("derivedId");
        assertThat(derived.get("eventId").asString())
                .isEqualTo(
                        "%012x%08x%012x".formatted(millis, derived.get("epoch").asLong(), offset & 0xffff_ffff_ffffL));
    }

    private static JsonNode withoutDerivedId(JsonNode fields) {
        ObjectNode copy = (ObjectNode) fields.deepCopy();
        ((ObjectNode) copy.get("body")).remove("derivedId");
        return copy;
    }

    private static boolean isForClient(FrameType type) {
        return type != null && type.way() == FrameType.Way.TO_CLIENT;
    }
}
