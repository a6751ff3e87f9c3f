package hermod.protocol.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.protocol.CloseCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.wire.Refresh;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.buffer.Unpooled;
import org.junit.jupiter.api.Test;

class ControlCodecTest {
    @Test
    void aMessageIsReadAsItWasWritten() throws ProtocolException {
        Subscribe message = Subscribe.newBuilder()
                .addTopics("chat:room_7")
                .addTopics("feed:𝄞")
                .build();
        ByteBuf frame = ControlCodec.encode(PooledByteBufAllocator.DEFAULT, FrameType.SUBSCRIBE, -1, message);

        assertThat(FrameHeader.type(frame, 0)).isEqualTo(FrameType.SUBSCRIBE.code());
        assertThat(FrameHeader.requestId(frame, 0)).isEqualTo(-1);
        assertThat(frame.readableBytes()).isEqualTo(FrameHeader.frameBytes(frame, 0));
        assertThat(ControlCodec.decode(Subscribe.parser(), frame, 0)).isEqualTo(message);
        assertThat(frame.release()).isTrue();
    }

    @Test
    void anEmptyMessageIsAHeaderAlone() throws ProtocolException {
        ByteBuf frame =
                ControlCodec.encode(PooledByteBufAllocator.DEFAULT, FrameType.REFRESH, 1, Refresh.getDefaultInstance());

        assertThat(frame.readableBytes()).isEqualTo(FrameHeader.LENGTH);
        assertThat(ControlCodec.decode(Refresh.parser(), frame, 0)).isEqualTo(Refresh.getDefaultInstance());
        frame.release();
    }

    @Test
    void nestingUpToEightIsSkippedAndOneMoreIsABadFrame() throws ProtocolException {
        assertThat(ControlCodec.decode(Refresh.parser(), groups(8), 0).getToken())
                .isEmpty();
        assertBad(groups(9));
    }

    @Test
    void nestingOfAHundredThousandIsABadFrameAndNoStackOverflow() {
        assertBad(groups(100_000));
    }

    @Test
    void bytesBehindTheFrameAreNotPartOfTheBody() throws ProtocolException {
        ByteBuf in = Unpooled.buffer();
        in.writeZero(3);
        FrameHeader.write(in, FrameType.REFRESH, 0, 0, 0, 3);
        in.writeBytes(new byte[] {0x0a, 1, 'x'}).writeBytes(new byte[] {0x0a, 1, 'y'});

        assertThat(ControlCodec.decode(Refresh.parser(), in, 3).getToken()).isEqualTo("x");
    }

    private static void assertBad(ByteBuf in) {
        assertThatThrownBy(() -> ControlCodec.decode(Refresh.parser(), in, 0))
                .isInstanceOfSatisfying(
                        ProtocolException.class, bad -> assertThat(bad.code()).isEqualTo(CloseCode.BAD_FRAME));
    }

    /** A REFRESH whose unknown field 2 is a group in a group in a group. */
    private static ByteBuf groups(int depth) {
        ByteBuf in = Unpooled.buffer();
        FrameHeader.write(in, FrameType.REFRESH, 0, 0, 0, 2 * depth);
        for (int i = 0; i < depth; i++) {
            in.writeByte(2 << 3 | 3);
        }
        for (int i = 0; i < depth; i++) {
            in.writeByte(2 << 3 | 4);
        }
        return in;
    }
}
