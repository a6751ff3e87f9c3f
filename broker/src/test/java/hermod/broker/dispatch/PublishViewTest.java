package hermod.broker.dispatch;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.ProtocolException;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.PublishFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** The view against {@link PublishFrame}, which reads the same bytes the slow way. */
class PublishViewTest {
    private static final int BEFORE = 5;

    /** What a reader makes of a frame: null stands for a refusal. */
    private record Reading(int count, long sequence, int handle, int requestId) {}

    private static @Nullable Reading slowly(ByteBuf in) {
        try {
            if (FrameHeader.bodyBytes(in, BEFORE) < PublishFrame.SEQUENCE_BYTES) {
                return null;
            }
            return new Reading(
                    PublishFrame.countEntries(in, BEFORE),
                    PublishFrame.sequence(in, BEFORE),
                    FrameHeader.handle(in, BEFORE),
                    FrameHeader.requestId(in, BEFORE));
        } catch (ProtocolException refused) {
            return null;
        }
    }

    private static @Nullable Reading byView(PublishView view, ByteBuf in) {
        try {
            view.wrap(in, BEFORE, FrameHeader.frameBytes(in, BEFORE));
            return new Reading(view.count(), view.sequence(), view.handle(), view.requestId());
        } catch (ProtocolException refused) {
            return null;
        }
    }

    private static ByteBuf frame(Random random, boolean isDirect) {
        int entries = 1 + random.nextInt(4);
        boolean isMany = entries > 1 || random.nextBoolean();
        int extensionBytes = random.nextInt(4) == 0 ? 8 : 0;
        ByteBuf body = Unpooled.buffer();
        body.writeZero(extensionBytes).writeLongLE(random.nextLong());
        for (int i = 0; i < entries; i++) {
            int fieldsBytes = random.nextInt(20);
            int entryBytes = 16 + fieldsBytes + random.nextInt(40);
            if (isMany) {
                body.writeIntLE(entryBytes);
            }
            body.writeLongLE(random.nextLong())
                    .writeIntLE(random.nextInt())
                    .writeShortLE(1)
                    .writeShortLE(fieldsBytes)
                    .writeZero(entryBytes - 16);
        }
        ByteBuf frame = isDirect ? Unpooled.directBuffer() : Unpooled.buffer();
        frame.writeZero(BEFORE)
                .writeIntLE(FrameHeader.LENGTH_FIELD_MIN + body.readableBytes())
                .writeByte(0x20)
                .writeByte(isMany ? FrameHeader.FLAG_MANY : 0)
                .writeShortLE(extensionBytes)
                .writeIntLE(random.nextInt())
                .writeIntLE(random.nextInt())
                .writeBytes(body);
        // Often wrong: a length that points past the frame, an entry too short.
        if (random.nextInt(2) == 0) {
            int firstChangeable = BEFORE + FrameHeader.LENGTH + extensionBytes;
            int at = firstChangeable + random.nextInt(frame.writerIndex() - firstChangeable);
            frame.setByte(at, random.nextInt(256));
        }
        if (random.nextInt(4) == 0) {
            int kept = FrameHeader.LENGTH + extensionBytes + random.nextInt(40);
            if (BEFORE + kept < frame.writerIndex()) {
                frame.setIntLE(BEFORE, kept - FrameHeader.LENGTH_FIELD_BYTES);
            }
        }
        return frame;
    }

    @Test
    void aFrameIsReadAndRefusedAsPublishFrameReadsAndRefusesIt() {
        PublishView view = new PublishView();
        int refused = 0;
        int read = 0;
        for (int seed = 0; seed < 20_000; seed++) {
            ByteBuf frame = frame(new Random(seed), seed % 2 == 0);
            try {
                Reading slow = slowly(frame);
                assertThat(byView(view, frame)).as("seed %d", seed).isEqualTo(slow);
                if (slow == null) {
                    refused++;
                } else {
                    read++;
                }
            } finally {
                frame.release();
            }
        }
        assertThat(read).isGreaterThan(1_000);
        assertThat(refused).isGreaterThan(1_000);
    }
}
