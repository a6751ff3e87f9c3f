package hermod.protocol.frame;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.protocol.CloseCode;
import hermod.protocol.EventType;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** {@code -Dhermod.seed=…} repeats the runs that draw. */
@Tag("FL-7")
class BatchFrameTest {
    private static final int HANDLE = 7;

    private static ByteBuf events(int count, int handle, String payload) {
        ByteBuf out = Unpooled.buffer();
        byte[] bytes = payload.getBytes(StandardCharsets.UTF_8);
        for (int i = 1; i <= count; i++) {
            FrameHeader.write(out, FrameType.EVENT, 0, handle, 0, Long.BYTES + Entry.FIXED_BYTES + 6 + bytes.length);
            out.writeLongLE(i);
            Entry.writeFixed(out, 1_795_219_200_000_000L + i, 0, EventType.CUSTOM, 6);
            EventFields.write(out, EventFields.TAG_SOURCE, "u_1".getBytes(StandardCharsets.UTF_8));
            out.writeBytes(bytes);
        }
        return out;
    }

    private static ByteBuf batch(ByteBuf events, int count) {
        int bytes = events.readableBytes();
        ByteBuffer out =
                ByteBuffer.allocateDirect(BatchFrame.frameBytesMax(bytes) + 3).order(ByteOrder.LITTLE_ENDIAN);
        int frameBytes = BatchFrame.write(events.nioBuffer(), 0, bytes, count, 0, HANDLE, out, 3);
        return Unpooled.wrappedBuffer(out).slice(3, frameBytes);
    }

    private static ByteBuf unpack(ByteBuf batch) throws ProtocolException {
        ByteBuf out = Unpooled.buffer(0);
        BatchFrame.check(batch, 0);
        BatchFrame.unpack(batch, 0, out);
        return out;
    }

    private static void assertBad(ByteBuf batch) {
        assertThatThrownBy(() -> unpack(batch))
                .isInstanceOfSatisfying(
                        ProtocolException.class,
                        refused -> assertThat(refused.code()).isEqualTo(CloseCode.BAD_FRAME));
    }

    @Test
    void whatWasPackedIsUnpackedAsTheSameBytes() throws Exception {
        ByteBuf events = events(40, HANDLE, "{\"price\": 17.5, \"symbol\": \"HMD\"}");
        ByteBuf batch = batch(events, 40);
        assertThat(batch.readableBytes()).isLessThan(events.readableBytes() / 2);
        assertThat(FrameHeader.frameBytes(batch, 0)).isEqualTo(batch.readableBytes());
        assertThat(BatchFrame.count(batch, 0)).isEqualTo(40);
        assertThat(unpack(batch)).isEqualTo(events);
    }

    @Test
    void aClaimThatNoBlockOfItsSizeCanHoldIsRefusedBeforeMemoryIsTaken() {
        ByteBuf batch = batch(events(2, HANDLE, "x"), 2);
        for (long claim : new long[] {ProtocolLimits.BATCH_BYTES, 0x7fff_ffff, 0xffff_ffffL, 0x8000_0000L}) {
            batch.setIntLE(FrameHeader.LENGTH, (int) claim);
            assertThatThrownBy(() -> BatchFrame.check(batch, 0))
                    .as("claim %s", claim)
                    .isInstanceOf(ProtocolException.class);
        }
    }

    @Test
    void aBlockThatHoldsMoreOrLessThanItClaimsIsRefused() {
        ByteBuf events = events(10, HANDLE, "abcabcabcabc");
        for (int lie : new int[] {-400, -57, -1, 1, 57, 400}) {
            ByteBuf batch = batch(events, 10);
            batch.setIntLE(FrameHeader.LENGTH, events.readableBytes() + lie);
            assertBad(batch);
        }
    }

    @Test
    void aBlockCutAnywhereIsRefused() {
        ByteBuf whole = batch(events(10, HANDLE, "abcabcabcabc"), 10);
        for (int bytes = FrameHeader.LENGTH; bytes < whole.readableBytes(); bytes++) {
            ByteBuf cut = whole.copy(0, bytes);
            cut.setIntLE(0, bytes - FrameHeader.LENGTH_FIELD_BYTES);
            assertBad(cut);
        }
    }

    @Test
    void aCountThatIsNotWhatTheBlockHoldsIsRefused() {
        for (int count : new int[] {0, 1, 9, 11, -1, Integer.MIN_VALUE}) {
            assertBad(batch(events(10, HANDLE, "abc"), count));
        }
    }

    @Test
    void aBatchHoldsEventsOfItsOwnTopicOnly() {
        assertBad(batch(events(10, HANDLE + 1, "abc"), 10));
        ByteBuf mixed = events(3, HANDLE, "abc");
        mixed.writeBytes(events(1, HANDLE + 1, "abc"));
        assertBad(batch(mixed, 4));
    }

    @Test
    void aBatchHoldsNothingButEvents() {
        ByteBuf other = events(2, HANDLE, "abc");
        other.setByte(FrameHeader.TYPE_AT, FrameType.BATCH.code());
        assertBad(batch(other, 2));
        ByteBuf compressed = events(2, HANDLE, "abc");
        compressed.setByte(FrameHeader.FLAGS_AT, FrameHeader.FLAG_COMPRESSED);
        assertBad(batch(compressed, 2));
        ByteBuf half = events(2, HANDLE, "abc");
        half.writerIndex(half.writerIndex() - 1);
        assertBad(batch(half, 2));
        ByteBuf longOnes = events(2, HANDLE, "abc");
        longOnes.setIntLE(0, longOnes.getIntLE(0) + 5);
        assertBad(batch(longOnes, 2));
    }

    @Test
    void incompressibleBytesStillFitTheBound() throws Exception {
        SplittableRandom random = new SplittableRandom(1);
        ByteBuf noise = Unpooled.buffer();
        byte[] payload = new byte[5_000];
        random.nextBytes(payload);
        FrameHeader.write(noise, FrameType.EVENT, 0, HANDLE, 0, 24 + payload.length);
        noise.writeZero(24).writeBytes(payload);
        ByteBuf batch = batch(noise, 1);
        assertThat(batch.readableBytes()).isBetween(noise.readableBytes(), BatchFrame.frameBytesMax(5_040));
        assertThat(unpack(batch)).isEqualTo(noise);
    }

    @Test
    @Tag("SE-6")
    void aMutatedBatchIsTakenOrRefusedAndWritesNoByteBeyondItsClaim() {
        long seed = Long.getLong("hermod.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        byte[] whole = ByteBufUtil.getBytes(batch(events(20, HANDLE, "{\"price\": 17.5}"), 20));
        for (int i = 0; i < 100_000; i++) {
            byte[] bytes = whole.clone();
            for (int n = 1 + random.nextInt(4); n > 0; n--) {
                bytes[FrameHeader.LENGTH + random.nextInt(bytes.length - FrameHeader.LENGTH)] = (byte) random.nextInt();
            }
            ByteBuf batch = Unpooled.wrappedBuffer(bytes);
            try {
                ByteBuf out = unpack(batch);
                assertThat(out.writerIndex()).isEqualTo(BatchFrame.uncompressedBytes(batch, 0));
            } catch (ProtocolException refused) {
                assertThat(refused.code()).isEqualTo(CloseCode.BAD_FRAME);
            } catch (Throwable escaped) {
                throw new AssertionError("seed=" + seed + ", mutation=" + i, escaped);
            }
        }
    }
}
