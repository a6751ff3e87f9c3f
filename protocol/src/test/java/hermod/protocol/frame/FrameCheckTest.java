package hermod.protocol.frame;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.protocol.CloseCode;
import hermod.protocol.ProtocolException;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("SE-6")
class FrameCheckTest {
    private static final int LIMIT_BYTES = 16_384;

    @Test
    void aLengthIsTakenFromTheRestOfTheHeaderUpToTheLimit() throws ProtocolException {
        assertThat(FrameCheck.frameBytes(length(12), 0, LIMIT_BYTES)).isEqualTo(16);
        assertThat(FrameCheck.frameBytes(length(LIMIT_BYTES - 4), 0, LIMIT_BYTES))
                .isEqualTo(LIMIT_BYTES);
    }

    @Test
    void aLengthBelowTheRestOfTheHeaderIsABadFrame() {
        for (int length = 0; length < 12; length++) {
            ByteBuf in = length(length);
            assertRefused(CloseCode.BAD_FRAME, () -> FrameCheck.frameBytes(in, 0, LIMIT_BYTES));
        }
    }

    @Test
    void aLengthAboveTheLimitIsTooLongAndUnsigned() {
        long[] lengths = {
            LIMIT_BYTES - 3, LIMIT_BYTES, (1L << 31) - 5, (1L << 31) - 1, 1L << 31, (1L << 32) - 4, (1L << 32) - 1
        };
        for (long length : lengths) {
            ByteBuf in = length(length);
            assertRefused(CloseCode.FRAME_TOO_LONG, () -> FrameCheck.frameBytes(in, 0, LIMIT_BYTES));
            assertRefused(
                    CloseCode.FRAME_TOO_LONG, () -> FrameCheck.frameBytes(in, 0, (int) Math.min(length, 1 << 30)));
        }
    }

    @Test
    void compressionIsTakenWhereItWasAgreed() throws ProtocolException {
        ByteBuf in = Unpooled.buffer();
        FrameHeader.write(in, FrameType.EVENT, FrameHeader.FLAG_COMPRESSED, 1, 0, 0);

        assertThat(FrameCheck.hasCriticalExtension(in, 0, true)).isFalse();
        assertRefused(CloseCode.BAD_FRAME, () -> FrameCheck.hasCriticalExtension(in, 0, false));
    }

    @Test
    void theReservedFlagIsABadFrameWhateverWasAgreed() {
        ByteBuf in = Unpooled.buffer();
        FrameHeader.write(in, FrameType.PING, FrameHeader.FLAG_RESERVED, 0, 0, 0);

        assertRefused(CloseCode.BAD_FRAME, () -> FrameCheck.hasCriticalExtension(in, 0, true));
    }

    @Test
    void anExtensionMustBeUnderstoodOnlyWhereBit15OfItsTypeIsSet() throws ProtocolException {
        assertThat(FrameCheck.hasCriticalExtension(extended(0x7fff, 3, 7), 5, false))
                .isFalse();
        assertThat(FrameCheck.hasCriticalExtension(extended(0x8000, 3, 7), 5, false))
                .isTrue();
    }

    @Test
    void extensionsFillTheirAreaExactly() {
        assertRefused(CloseCode.BAD_FRAME, () -> FrameCheck.hasCriticalExtension(extended(1, 4, 7), 5, false));
        assertRefused(CloseCode.BAD_FRAME, () -> FrameCheck.hasCriticalExtension(extended(1, 2, 7), 5, false));
        assertRefused(CloseCode.BAD_FRAME, () -> FrameCheck.hasCriticalExtension(extended(1, 4, 8), 5, false));
    }

    @Test
    void aBodyHasTheSizeOfItsTypeExactly() throws ProtocolException {
        ByteBuf in = Unpooled.buffer();
        FrameHeader.write(in, FrameType.PING, 0, 0, 0, 8);

        FrameCheck.bodyIs(8, in, 0);
        assertRefused(CloseCode.BAD_FRAME, () -> FrameCheck.bodyIs(7, in, 0));
        assertRefused(CloseCode.BAD_FRAME, () -> FrameCheck.bodyIs(9, in, 0));
    }

    private static ByteBuf length(long length) {
        return Unpooled.buffer().writeIntLE((int) length);
    }

    /** A frame at index 5 without a body whose one extension of 3 bytes says that it has {@code valueBytes}. */
    private static ByteBuf extended(int type, int valueBytes, int extensionBytes) {
        ByteBuf in = Unpooled.buffer().writeZero(5);
        FrameHeader.write(in, FrameType.PING, 0, 0, 0, 7);
        in.setShortLE(5 + FrameHeader.EXTENSION_LENGTH_AT, extensionBytes);
        return in.writeShortLE(type).writeShortLE(valueBytes).writeZero(3);
    }

    private static void assertRefused(CloseCode code, ThrowingCallable check) {
        assertThatThrownBy(check)
                .isInstanceOfSatisfying(
                        ProtocolException.class,
                        refused -> assertThat(refused.code()).isEqualTo(code));
    }
}
