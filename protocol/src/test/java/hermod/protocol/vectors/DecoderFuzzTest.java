package hermod.protocol.vectors;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import com.google.protobuf.Message;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.TopicName;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.frame.BatchFrame;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FetchedFrame;
import hermod.protocol.frame.FrameCheck;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.HistoryPageFrame;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;

/**
 * Replays its inputs as a regression test; searches with {@code JAZZER_FUZZ=1 mvn -pl protocol test -Dtest=DecoderFuzzTest#stream}.
 *
 * <p>A buffer holds nothing but what is to be read, so that a read outside of it throws, and anything but ProtocolException is a finding.
 */
@Tag("SE-6")
class DecoderFuzzTest {
    private static final List<FrameType> CONTROL = Stream.of(FrameType.values())
            .filter(type -> FrameJson.controlOf(type) != null)
            .toList();

    /** A byte that says who receives and in what chunks, and a stream. */
    @FuzzTest(maxDuration = "60s")
    void stream(byte[] data) {
        if (data.length > 0) {
            int how = data[0] & 0xff;
            Probe.stream(Arrays.copyOfRange(data, 1, data.length), (how & 1) != 0, (how & 2) == 0, 1 + (how >> 2));
        }
    }

    /** The flags and the body of a PUBLISH: the entries are counted, and together they fill it. */
    @FuzzTest(maxDuration = "60s")
    void publish(byte[] data) {
        if (data.length == 0) {
            return;
        }
        ByteBuf in = frame(FrameType.PUBLISH, data[0], Arrays.copyOfRange(data, 1, data.length));
        try {
            FrameCheck.hasCriticalExtension(in, 0, true);
            int count = PublishFrame.countEntries(in, 0);
            int next = FrameHeader.bodyAt(in, 0) + PublishFrame.SEQUENCE_BYTES;
            for (int i = 0; i < count; i++) {
                int entryBytes = PublishFrame.isMany(in, 0) ? in.getIntLE(next) : in.writerIndex() - next;
                next += PublishFrame.isMany(in, 0) ? PublishFrame.ENTRY_LENGTH_BYTES : 0;
                assertThat(Entry.payloadAt(in, next)).isBetween(next + Entry.FIXED_BYTES, next + entryBytes);
                next += entryBytes;
            }
            assertThat(next).isEqualTo(in.writerIndex());
        } catch (ProtocolException refused) {
            assertThat(refused.code()).isNotNull();
        }
    }

    /** A type and a fields area. */
    @FuzzTest(maxDuration = "60s")
    void fields(byte[] data) {
        if (data.length == 0) {
            return;
        }
        ByteBuf in = Unpooled.wrappedBuffer(Arrays.copyOfRange(data, 1, data.length));
        int bytes = in.writerIndex();
        String fault = EventFields.structureFaultOf(in, 0, bytes);
        if (EventFields.publishedFaultOf(in, 0, bytes, data[0] & 0xff) == null) {
            assertThat(bytes == 0 || fault == null).isTrue();
        }
        if (fault != null) {
            return;
        }
        for (int tag = 1; tag < 256; tag++) {
            int valueAt = EventFields.find(in, 0, bytes, tag);
            assertThat(valueAt < 0 || valueAt + EventFields.valueBytes(in, valueAt) <= bytes)
                    .isTrue();
            if (valueAt >= 0 && tag >= EventFields.TAG_SOURCE && tag <= EventFields.TAG_TYPE_NAME) {
                assertIsUtf8(ByteBufUtil.getBytes(in, valueAt, EventFields.valueBytes(in, valueAt)));
            }
        }
        ByteBuf again = Unpooled.buffer();
        EventFields.writeAttributes(again, EventFields.attributes(in, 0, bytes));
        int attributesAt = EventFields.find(in, 0, bytes, EventFields.TAG_ATTRIBUTES);
        if (attributesAt >= 0) {
            assertThat(ByteBufUtil.hexDump(again, 3, again.readableBytes() - 3))
                    .isEqualTo(ByteBufUtil.hexDump(in, attributesAt, EventFields.valueBytes(in, attributesAt)));
        }
    }

    /** The body of a BATCH: what is unpacked is as long as it claims and whole frames, or it is refused. */
    @Tag("FL-7")
    @FuzzTest(maxDuration = "60s")
    void batch(byte[] data) {
        ByteBuf in = frame(FrameType.BATCH, (byte) 0, data);
        ByteBuf out = Unpooled.buffer(0);
        try {
            BatchFrame.check(in, 0);
            BatchFrame.unpack(in, 0, out);
            assertThat(out.writerIndex()).isEqualTo(BatchFrame.uncompressedBytes(in, 0));
            assertThat(FrameHeader.handle(out, 0)).isEqualTo(7);
        } catch (ProtocolException refused) {
            assertThat(out.capacity()).isLessThanOrEqualTo(ProtocolLimits.BATCH_BYTES);
        }
    }

    /** The body of a HISTORY_PAGE: what is taken is made of as many whole events as it says, and nothing else. */
    @Tag("HR-3")
    @FuzzTest(maxDuration = "60s")
    void historyPage(byte[] data) {
        ByteBuf in = frame(FrameType.HISTORY_PAGE, (byte) 0, data);
        try {
            HistoryPageFrame.check(in, 0);
            int next = HistoryPageFrame.eventsAt(in, 0);
            for (int i = 0; i < HistoryPageFrame.head(in, 0).count(); i++) {
                assertThat(EventFrame.offset(in, next)).isPositive();
                next += FrameHeader.frameBytes(in, next);
            }
            assertThat(next).isEqualTo(in.writerIndex());
        } catch (ProtocolException refused) {
            assertThat(refused.code()).isNotNull();
        }
    }

    /** The body of a FETCHED: what is taken is made of as many whole items as it says, each with a topic and an event, and nothing else. */
    @Tag("EV-12")
    @FuzzTest(maxDuration = "60s")
    void fetched(byte[] data) {
        ByteBuf in = frame(FrameType.FETCHED, (byte) 0, data);
        try {
            FetchedFrame.check(in, 0);
            int next = FetchedFrame.itemsAt(in, 0);
            for (int i = 0; i < FetchedFrame.head(in, 0).count(); i++) {
                assertThat(FetchedFrame.position(in, next)).isPositive();
                assertThat(FetchedFrame.attempt(in, next)).isPositive();
                assertThat(TopicName.faultOf(FetchedFrame.topic(in, next))).isNull();
                assertThat(EventFrame.offset(in, FetchedFrame.eventAt(in, next)))
                        .isPositive();
                next += FetchedFrame.itemBytes(in, next);
            }
            assertThat(next).isEqualTo(in.writerIndex());
        } catch (ProtocolException refused) {
            assertThat(refused.code()).isNotNull();
        }
    }

    /** The body of a PUBLISHED. */
    @FuzzTest(maxDuration = "60s")
    void published(byte[] data) {
        ByteBuf in = frame(FrameType.PUBLISHED, (byte) 0, data);
        try {
            PublishedFrame frame = new PublishedFrame().wrap(in, 0);
            FrameJson.decode(in, 0);
            assertThat(8 + 24 * (frame.rangeCount() + frame.exceptionCount())).isEqualTo(data.length);
        } catch (ProtocolException refused) {
            assertThat(refused.code()).isNotNull();
        }
    }

    /** Which control message, and its body: what was read once is read the same when written again. */
    @FuzzTest(maxDuration = "60s")
    void control(byte[] data) throws ProtocolException {
        if (data.length == 0) {
            return;
        }
        FrameType type = CONTROL.get((data[0] & 0xff) % CONTROL.size());
        ByteBuf in = frame(type, (byte) 0, Arrays.copyOfRange(data, 1, data.length));
        Message message;
        try {
            message = (Message) ControlCodec.decode(FrameJson.controlOf(type).getParserForType(), in, 0);
        } catch (ProtocolException refused) {
            return;
        }
        ByteBuf again = ControlCodec.encode(Unpooled.EMPTY_BUFFER.alloc(), type, 0, message);
        try {
            assertThat((Message) ControlCodec.decode(message.getParserForType(), again, 0))
                    .isEqualTo(message);
        } finally {
            again.release();
        }
    }

    private static ByteBuf frame(FrameType type, byte flags, byte[] body) {
        ByteBuf out = Unpooled.wrappedBuffer(new byte[FrameHeader.LENGTH + body.length]);
        out.clear();
        FrameHeader.write(out, type, flags & ~FrameHeader.FLAG_RESERVED & 0xff, 7, 1, body.length);
        return out.writeBytes(body);
    }

    private static void assertIsUtf8(byte[] text) {
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(text));
        } catch (CharacterCodingException e) {
            throw new AssertionError("taken as UTF-8: " + Arrays.toString(text), e);
        }
    }
}
