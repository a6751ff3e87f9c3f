package hermod.bench.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.control.wire.Hello;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class FrameFuzzerTest {
    private static final int FRAMES = 100_000;
    private static final List<byte[]> SEEDS = List.of(ByteBufUtil.decodeHexDump("0c000000080000000000000007000000"));

    private static FrameFuzzer fuzzer(long seed) {
        return new FrameFuzzer(seed, SEEDS, "tasks:fuzzed");
    }

    @Test
    void theSameSeedMakesTheSameBytes() {
        FrameFuzzer first = fuzzer(5);
        FrameFuzzer second = fuzzer(5);
        for (int i = 0; i < 2_000; i++) {
            ByteBuf one = Unpooled.buffer();
            ByteBuf other = Unpooled.buffer();
            first.writeNext(one, 9);
            second.writeNext(other, 9);
            first.writeBeforeHello(one);
            second.writeBeforeHello(other);

            assertThat(one).isEqualTo(other);
        }
    }

    @Test
    void everyFrameIsBoundedAndMostKeepTheirLengthFieldRight() {
        FrameFuzzer fuzzer = fuzzer(1);
        int right = 0;
        Set<Integer> types = new TreeSet<>();
        for (int i = 0; i < FRAMES; i++) {
            ByteBuf out = Unpooled.buffer();
            fuzzer.writeNext(out, 9);
            assertThat(out.readableBytes()).isLessThanOrEqualTo(FrameFuzzer.FRAME_BYTES_MAX);
            if (out.readableBytes() >= FrameHeader.LENGTH && FrameHeader.frameBytes(out, 0) == out.readableBytes()) {
                right++;
                types.add(FrameHeader.type(out, 0));
            }
        }

        assertThat((double) right / FRAMES).isBetween(0.9, 0.99);
        assertThat(types)
                .contains(
                        FrameType.PUBLISH.code(),
                        FrameType.SUBSCRIBE.code(),
                        FrameType.OPEN.code(),
                        FrameType.UNSUBSCRIBE.code(),
                        FrameType.PING.code(),
                        FrameType.ACK.code(),
                        FrameType.REFRESH.code(),
                        0xff);
    }

    @Test
    void theHelloOfASessionIsCorrect() throws Exception {
        ByteBuf hello = fuzzer(1).hello("token", "device");

        assertThat(FrameHeader.type(hello, 0)).isEqualTo(FrameType.HELLO.code());
        Hello decoded = Hello.parseFrom(
                ByteBufUtil.getBytes(hello, FrameHeader.bodyAt(hello, 0), FrameHeader.bodyBytes(hello, 0)));
        assertThat(decoded.getToken()).isEqualTo("token");
        assertThat(decoded.getSubscriptionsList()).containsExactly("tasks:fuzzed");
        hello.release();
    }
}
