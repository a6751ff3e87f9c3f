package hermod.protocol.frame;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.protocol.CloseCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.vectors.Vectors;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class FrameCutterTest {
    private static final int LIMIT_BYTES = 16_384;

    private final RecordingAllocator allocator = new RecordingAllocator();
    private final FrameCutter cutter = new FrameCutter(allocator, LIMIT_BYTES);
    private final List<String> cut = new ArrayList<>();

    @AfterEach
    void nothingIsLeftWhenItIsClosed() {
        cutter.close();
        assertThat(allocator.unreleasedCount()).isZero();
        assertThat(cutter.partialBytes()).isZero();
    }

    @Test
    void aStreamSplitAnywhereGivesTheSameFrames() throws ProtocolException {
        List<byte[]> frames = frames(200);
        ByteBuf stream = Unpooled.wrappedBuffer(frames.toArray(byte[][]::new)).copy();
        List<String> expected = frames.stream().map(ByteBufUtil::hexDump).toList();
        for (int split = 0; split <= stream.writerIndex(); split++) {
            cut.clear();
            feed(stream.slice(0, split));
            feed(stream.slice(split, stream.writerIndex() - split));
            assertThat(cut).as("split=%d", split).isEqualTo(expected);
            assertThat(cutter.partialBytes()).as("split=%d", split).isZero();
        }
    }

    @Test
    void aStreamOneByteAtATimeGivesTheSameFrames() throws ProtocolException {
        List<byte[]> frames = frames(LIMIT_BYTES);
        for (byte[] frame : frames) {
            for (byte b : frame) {
                feed(Unpooled.wrappedBuffer(new byte[] {b}));
            }
        }
        assertThat(cut).isEqualTo(frames.stream().map(ByteBufUtil::hexDump).toList());
    }

    @Test
    void aFrameThatIsWholeIsHandedOnWhereItLies() throws ProtocolException {
        ByteBuf in = Unpooled.buffer().writeZero(3);
        ClockFrames.writePing(in, 1, 2);
        ClockFrames.writePing(in, 2, 3);
        in.readerIndex(3);
        List<Integer> indices = new ArrayList<>();
        cutter.cut(in, (frames, at, frameBytes) -> {
            assertThat(frames).isSameAs(in);
            assertThat(frameBytes).isEqualTo(24);
            indices.add(at);
            return true;
        });

        assertThat(indices).containsExactly(3, 27);
        assertThat(in.isReadable()).isFalse();
        assertThat(allocator.givenCount()).isZero();
    }

    @Test
    void aFrameOfTheLimitIsCutWholeAndInParts() throws ProtocolException {
        ByteBuf in = frameOf(LIMIT_BYTES);
        feed(in.duplicate());
        feed(in.slice(0, LIMIT_BYTES - 1));
        assertThat(cutter.partialBytes()).isEqualTo(LIMIT_BYTES - 1);
        feed(in.slice(LIMIT_BYTES - 1, 1));

        assertThat(cut).hasSize(2);
    }

    @Tag("SE-6")
    @Test
    void aFrameOnePastTheLimitIsRefusedOnItsLengthFieldHoweverItComes() throws ProtocolException {
        assertRefused(CloseCode.FRAME_TOO_LONG, frameOf(LIMIT_BYTES + 1));
        assertRefused(CloseCode.FRAME_TOO_LONG, frameOf(LIMIT_BYTES + 1).slice(0, 4));
        feed(frameOf(LIMIT_BYTES + 1).slice(0, 3));
        assertRefused(CloseCode.FRAME_TOO_LONG, frameOf(LIMIT_BYTES + 1).slice(3, 1));
    }

    @Tag("SE-6")
    @Test
    void aDeclaredLengthAllocatesNothing() throws ProtocolException {
        FrameCutter large = new FrameCutter(allocator, 1 << 30);
        ByteBuf head = Unpooled.buffer().writeIntLE((1 << 30) - 4);
        large.cut(head.slice(0, 3), (in, at, frameBytes) -> true);
        large.cut(head.slice(3, 1), (in, at, frameBytes) -> true);
        large.cut(Unpooled.wrappedBuffer(new byte[100]), (in, at, frameBytes) -> true);

        assertThat(large.partialBytes()).isEqualTo(104);
        assertThat(allocator.heldBytes()).isLessThanOrEqualTo(1024);
        large.close();
    }

    @Tag("SE-6")
    @Test
    void whatIsHeldGrowsWithTheBytesThatCome() throws ProtocolException {
        ByteBuf in = frameOf(LIMIT_BYTES);
        for (int at = 0; at < LIMIT_BYTES - 16; at += 16) {
            feed(in.slice(at, 16));
            assertThat(allocator.heldBytes()).isLessThanOrEqualTo(Math.max(256, 2 * (at + 16)));
        }
    }

    @Test
    void aSinkThatSaysStopLeavesTheRestUnreadAndItGoesOnFromThere() throws ProtocolException {
        ByteBuf in = Unpooled.buffer();
        ClockFrames.writePing(in, 1, 0);
        ClockFrames.writePing(in, 2, 0);
        ClockFrames.writePing(in, 3, 0);
        in.writeZero(2);
        List<Integer> requestIds = new ArrayList<>();
        FrameCutter.Sink oneAtATime = (frames, at, frameBytes) -> {
            requestIds.add(FrameHeader.requestId(frames, at));
            return false;
        };

        cutter.cut(in, oneAtATime);
        assertThat(requestIds).containsExactly(1);
        assertThat(in.readerIndex()).isEqualTo(24);
        cutter.cut(in, oneAtATime);
        cutter.cut(in, oneAtATime);
        assertThat(requestIds).containsExactly(1, 2, 3);
        assertThat(in.readableBytes()).isEqualTo(2);
        cutter.cut(in, oneAtATime);
        assertThat(cutter.partialBytes()).isEqualTo(2);
    }

    @Test
    void aStopAfterACompletedPartLeavesTheFramesBehindItUnread() throws ProtocolException {
        ByteBuf in = Unpooled.buffer();
        ClockFrames.writePing(in, 1, 0);
        ClockFrames.writePing(in, 2, 0);
        cutter.cut(in.readSlice(10), (frames, at, frameBytes) -> true);
        cutter.cut(in, (frames, at, frameBytes) -> false);

        assertThat(in.readableBytes()).isEqualTo(24);
        assertThat(cutter.partialBytes()).isZero();
        assertThat(allocator.unreleasedCount()).isZero();
        feed(in);
        assertThat(cut).hasSize(1);
    }

    @Test
    void theLimitThatASinkSetsHoldsFromTheNextFrameOn() throws ProtocolException {
        ByteBuf in = Unpooled.buffer();
        ClockFrames.writePing(in, 1, 0);
        in.writeBytes(frameOf(LIMIT_BYTES + 1));
        cutter.cut(in, (frames, at, frameBytes) -> {
            cutter.frameLimitBytes(LIMIT_BYTES + 1);
            cut.add("frameBytes=" + frameBytes);
            return true;
        });

        assertThat(cut).containsExactly("frameBytes=24", "frameBytes=16385");
    }

    @Test
    void aSinkThatThrowsLeavesNothingHeld() throws ProtocolException {
        ByteBuf in = Unpooled.buffer();
        ClockFrames.writePing(in, 1, 0);
        cutter.cut(in.readSlice(20), (frames, at, frameBytes) -> true);
        assertThat(allocator.unreleasedCount()).isEqualTo(1);
        assertThatThrownBy(() -> cutter.cut(in, (frames, at, frameBytes) -> {
                    throw new ProtocolException(CloseCode.BAD_FRAME, "of no use");
                }))
                .isInstanceOf(ProtocolException.class);

        assertThat(allocator.unreleasedCount()).isZero();
    }

    @Test
    void aSinkMayCloseIt() throws ProtocolException {
        ByteBuf in = Unpooled.buffer();
        ClockFrames.writePing(in, 1, 0);
        cutter.cut(in.readSlice(20), (frames, at, frameBytes) -> true);
        cutter.cut(in, (frames, at, frameBytes) -> {
            cutter.close();
            cut.add("requestId=" + FrameHeader.requestId(frames, at));
            return false;
        });

        assertThat(cut).containsExactly("requestId=1");
        assertThat(allocator.unreleasedCount()).isZero();
    }

    @Test
    void closingReleasesThePartThatIsHeld() throws ProtocolException {
        feed(frameOf(100).slice(0, 99));
        assertThat(allocator.unreleasedCount()).isEqualTo(1);
        cutter.close();

        assertThat(allocator.unreleasedCount()).isZero();
    }

    private void feed(ByteBuf in) throws ProtocolException {
        int refCount = in.refCnt();
        cutter.cut(in, (frames, at, frameBytes) -> cut.add(ByteBufUtil.hexDump(frames, at, frameBytes)));
        assertThat(in.isReadable()).isFalse();
        assertThat(in.refCnt()).isEqualTo(refCount);
    }

    private void assertRefused(CloseCode code, ByteBuf in) {
        assertThatThrownBy(() -> feed(in))
                .isInstanceOfSatisfying(
                        ProtocolException.class,
                        refused -> assertThat(refused.code()).isEqualTo(code));
    }

    private static List<byte[]> frames(int bytesMax) {
        return Vectors.valid().stream()
                .map(Vectors.Valid::bytes)
                .filter(bytes -> bytes.length <= bytesMax)
                .toList();
    }

    private static ByteBuf frameOf(int frameBytes) {
        ByteBuf in = Unpooled.buffer(frameBytes);
        FrameHeader.write(in, FrameType.PUBLISH, 0, 1, 1, frameBytes - FrameHeader.LENGTH);
        return in.writeZero(frameBytes - FrameHeader.LENGTH);
    }
}
