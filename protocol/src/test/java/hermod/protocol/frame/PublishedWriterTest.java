package hermod.protocol.frame;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.ErrorCode;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import org.junit.jupiter.api.Test;

class PublishedWriterTest {
    private static final int HANDLE = 0xf000_0007;

    private final PublishedWriter writer = new PublishedWriter();

    @Test
    void outcomesThatGoOnAreJoinedIntoOneRange() throws ProtocolException {
        writer.accepted(10, HANDLE, 100);
        writer.accepted(11, HANDLE, 101);
        writer.accepted(12, 5, HANDLE, 102);
        writer.accepted(17, HANDLE, 107);

        PublishedFrame frame = written();
        assertThat(frame.rangeCount()).isEqualTo(1);
        assertRange(frame, 0, 10, 8, HANDLE, 100);
    }

    @Test
    void aRangeEndsWhereRequestIdHandleOrOffsetDoNotGoOn() throws ProtocolException {
        writer.accepted(10, HANDLE, 100);
        writer.accepted(12, HANDLE, 101);
        writer.accepted(13, 8, 102);
        writer.accepted(14, 8, 104);

        PublishedFrame frame = written();
        assertThat(frame.rangeCount()).isEqualTo(4);
        assertRange(frame, 0, 10, 1, HANDLE, 100);
        assertRange(frame, 1, 12, 1, HANDLE, 101);
        assertRange(frame, 2, 13, 1, 8, 102);
        assertRange(frame, 3, 14, 1, 8, 104);
    }

    @Test
    void aRangeGoesOnPastTheHighestRequestId() throws ProtocolException {
        writer.accepted(-2, HANDLE, 1);
        writer.accepted(-1, HANDLE, 2);
        writer.accepted(0, HANDLE, 3);
        writer.accepted(1, HANDLE, 4);

        PublishedFrame frame = written();
        assertThat(frame.rangeCount()).isEqualTo(1);
        assertRange(frame, 0, -2, 4, HANDLE, 1);
    }

    @Test
    void eachKindOfExceptionIsReadAsItWasWritten() throws ProtocolException {
        writer.refused(-1, HANDLE, ErrorCode.RATE_LIMITED, -1);
        writer.clamped(1, HANDLE, Priority.HIGH, Long.MAX_VALUE);
        writer.duplicate(2, HANDLE, 3);

        PublishedFrame frame = written();
        assertThat(frame.rangeCount()).isZero();
        assertThat(frame.exceptionCount()).isEqualTo(3);
        assertThat(frame.exceptionRequestId(0)).isEqualTo(-1);
        assertThat(frame.exceptionKind(0)).isEqualTo(PublishedFrame.KIND_REFUSED);
        assertThat(frame.exceptionCode(0)).isEqualTo(ErrorCode.RATE_LIMITED.code());
        assertThat(frame.exceptionRetryAfterMs(0)).isEqualTo(0xffff_ffffL);
        assertThat(frame.exceptionHandle(0)).isEqualTo(HANDLE);
        assertThat(frame.exceptionOffset(0)).isZero();
        assertThat(frame.exceptionKind(1)).isEqualTo(PublishedFrame.KIND_CLAMPED);
        assertThat(frame.exceptionPriority(1)).isEqualTo(Priority.HIGH);
        assertThat(frame.exceptionCode(1)).isZero();
        assertThat(frame.exceptionOffset(1)).isEqualTo(Long.MAX_VALUE);
        assertThat(frame.exceptionKind(2)).isEqualTo(PublishedFrame.KIND_DUPLICATE);
        assertThat(frame.exceptionOffset(2)).isEqualTo(3);
    }

    @Test
    void writingForgetsTheOutcomesAndTheNextOneBeginsARange() throws ProtocolException {
        writer.accepted(10, HANDLE, 100);
        written();
        assertThat(writer.isEmpty()).isTrue();
        writer.accepted(11, HANDLE, 101);

        PublishedFrame frame = written();
        assertThat(frame.rangeCount()).isEqualTo(1);
        assertRange(frame, 0, 11, 1, HANDLE, 101);
    }

    @Test
    void itIsFullAtItsLastRangeAndNotBefore() {
        for (int i = 0; i < PublishedWriter.ITEM_COUNT_MAX; i++) {
            assertThat(writer.isFull()).isFalse();
            writer.accepted(2 * i, HANDLE, i);
        }
        assertThat(writer.isFull()).isTrue();
    }

    @Test
    void fullOfRangesAndExceptionsItStillFitsTheFrameLimitBeforeWelcome() throws ProtocolException {
        for (int i = 0; i < PublishedWriter.ITEM_COUNT_MAX; i++) {
            assertThat(writer.isFull()).isFalse();
            writer.accepted(2 * i, HANDLE, i);
            writer.clamped(2 * i, HANDLE, Priority.LOW, i);
        }
        assertThat(writer.isFull()).isTrue();
        assertThat(writer.frameBytes()).isLessThanOrEqualTo(ProtocolLimits.HANDSHAKE_FRAME_BYTES);

        PublishedFrame frame = written();
        assertThat(frame.rangeCount()).isEqualTo(PublishedWriter.ITEM_COUNT_MAX);
        assertRange(frame, 255, 510, 1, HANDLE, 255);
        assertThat(frame.exceptionRequestId(255)).isEqualTo(510);
    }

    private PublishedFrame written() throws ProtocolException {
        ByteBuf out = Unpooled.buffer();
        int frameBytes = writer.frameBytes();
        writer.writeTo(out);
        assertThat(out.readableBytes()).isEqualTo(frameBytes);
        assertThat(FrameHeader.frameBytes(out, 0)).isEqualTo(frameBytes);
        return new PublishedFrame().wrap(out, 0);
    }

    private static void assertRange(
            PublishedFrame frame, int index, int requestId, int count, int handle, long offset) {
        assertThat(frame.rangeFirstRequestId(index)).isEqualTo(requestId);
        assertThat(frame.rangeLength(index)).isEqualTo(count);
        assertThat(frame.rangeHandle(index)).isEqualTo(handle);
        assertThat(frame.rangeFirstOffset(index)).isEqualTo(offset);
    }
}
