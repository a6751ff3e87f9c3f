package hermod.bench.fuzz;

import hermod.protocol.Feature;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.History;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Platform;
import hermod.protocol.control.wire.Refresh;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Unsubscribe;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Makes hostile frames: valid ones of every shape, and the same with bits turned, bytes cut, lengths that lie, bodies of noise, and plain noise.
 *
 * <p>More than nine frames in ten keep their length field right, so a session survives long enough for what is behind the framing to be reached. The same
 * seed makes the same bytes. One thread.
 */
public final class FrameFuzzer {
    /** Longest frame it makes; a length field may claim more. */
    public static final int FRAME_BYTES_MAX = 20 * 1024;

    private static final int NOISE_BYTES_MAX = 300;
    private static final int OFTEN = 12;

    private final SplittableRandom random;
    private final List<byte[]> seeds;
    private final String topic;
    private final ByteBufAllocator allocator = UnpooledByteBufAllocator.DEFAULT;

    /**
     * @param seeds whole frames to start from beside those it writes itself, such as the protocol's test vectors; may be empty.
     * @param topic a topic its sessions may use.
     */
    public FrameFuzzer(long seed, List<byte[]> seeds, String topic) {
        random = new SplittableRandom(seed);
        this.seeds = List.copyOf(seeds);
        this.topic = topic;
    }

    /** A correct HELLO that also subscribes to the topic. The buffer is given to the caller. */
    public ByteBuf hello(String token, String deviceId) {
        Hello hello = Hello.newBuilder()
                .setMinVersion(1)
                .setMaxVersion(1)
                .setFeatures(Feature.HISTORY.bit())
                .setToken(token)
                .setDeviceId(deviceId)
                .setPlatform(Platform.PLATFORM_CLI)
                .setClientVersion("fuzz")
                .setProducerEpoch(random.nextLong() | 1)
                .addSubscriptions(topic)
                .build();
        return ControlCodec.encode(allocator, FrameType.HELLO, 1, hello);
    }

    /** Noise for a socket that has not said HELLO: anything, or a HELLO that was tampered with. Appended to {@code out}, borrowed. */
    public void writeBeforeHello(ByteBuf out) {
        switch (random.nextInt(4)) {
            case 0 -> writeNoise(out);
            case 1 -> writeNext(out, random.nextInt());
            default -> {
                ByteBuf hello = hello(random.nextBoolean() ? "" : "a.b.c", "fuzz");
                damage(hello);
                out.writeBytes(hello);
                hello.release();
            }
        }
    }

    /**
     * The next frame of a session, appended to {@code out}.
     *
     * @param out borrowed.
     * @param handle one that the session holds.
     */
    public void writeNext(ByteBuf out, int handle) {
        ByteBuf frame = shape(random.nextInt(8) == 0 ? random.nextInt() : handle);
        if (random.nextInt(5) < 2) {
            damage(frame);
        }
        out.writeBytes(frame, frame.readerIndex(), Math.min(FRAME_BYTES_MAX, frame.readableBytes()));
        frame.release();
    }

    /** A valid frame of some shape; a new buffer. */
    private ByteBuf shape(int handle) {
        int requestId = random.nextInt();
        return switch (random.nextInt(12)) {
            case 0 -> {
                ByteBuf out = allocator.heapBuffer();
                ClockFrames.writePing(out, requestId, random.nextLong());
                yield out;
            }
            case 11 ->
                ControlCodec.encode(
                        allocator,
                        FrameType.HISTORY,
                        requestId,
                        History.newBuilder()
                                .setTopic(topic)
                                .setStartValue(random.nextInt(5))
                                .setOffset(random.nextInt(3) == 0 ? random.nextLong() : random.nextInt(100))
                                .setTimeUs(random.nextLong())
                                .setBackwards(random.nextBoolean())
                                .setLimit(random.nextInt(310))
                                .setEpoch(random.nextInt(3))
                                .build());
            case 1 ->
                ControlCodec.encode(
                        allocator,
                        FrameType.SUBSCRIBE,
                        requestId,
                        Subscribe.newBuilder()
                                .addTopics(topic)
                                .addTopics(word())
                                .build());
            case 2 ->
                ControlCodec.encode(
                        allocator,
                        FrameType.OPEN,
                        requestId,
                        Open.newBuilder().addTopics(topic + ":" + word()).build());
            case 3 ->
                ControlCodec.encode(
                        allocator,
                        FrameType.UNSUBSCRIBE,
                        requestId,
                        Unsubscribe.newBuilder().addHandles(random.nextInt()).build());
            case 4 ->
                random.nextInt(OFTEN) != 0
                        ? publish(handle, requestId)
                        : ControlCodec.encode(
                                allocator,
                                FrameType.REFRESH,
                                requestId,
                                Refresh.newBuilder().setToken(word()).build());
            case 5 -> {
                ByteBuf out = allocator.heapBuffer();
                FrameType[] later = {FrameType.PROGRESS, FrameType.CREDIT, FrameType.ACK};
                FlowFrames.writeOneNumber(out, later[random.nextInt(later.length)], handle, random.nextLong());
                yield out;
            }
            case 6 -> many(handle, requestId);
            case 7 -> unknown(handle, requestId);
            case 8 ->
                seeds.isEmpty()
                        ? publish(handle, requestId)
                        : allocator.heapBuffer().writeBytes(seeds.get(random.nextInt(seeds.size())));
            case 9 ->
                random.nextInt(OFTEN) != 0
                        ? publish(handle, requestId)
                        : ControlCodec.encode(
                                allocator,
                                FrameType.CLOSE,
                                requestId,
                                Close.newBuilder()
                                        .setCode(random.nextInt(4_000))
                                        .build());
            default -> publish(handle, requestId);
        };
    }

    private ByteBuf publish(int handle, int requestId) {
        ByteBuf fields = fields();
        byte[] payload = noise(random.nextInt(NOISE_BYTES_MAX));
        ByteBuf out = allocator.heapBuffer();
        PublishFrame.writeHead(
                out,
                random.nextBoolean() ? 0 : FrameHeader.FLAG_PRIORITY_GIVEN | random.nextInt(4),
                handle,
                requestId,
                random.nextInt(3) == 0 ? 0 : random.nextLong(),
                random.nextBoolean() ? 0 : random.nextLong(),
                random.nextInt(3) == 0 ? random.nextInt() : 0,
                random.nextInt(10),
                fields.readableBytes(),
                payload.length);
        out.writeBytes(fields).writeBytes(payload);
        fields.release();
        return out;
    }

    private ByteBuf fields() {
        ByteBuf fields = allocator.heapBuffer();
        int tag = 1;
        while (random.nextInt(3) != 0 && tag < 256) {
            if (tag == 5 && random.nextBoolean()) {
                EventFields.writeAttributes(fields, Map.of(word(), word(), "a key longer than any word", ""));
            } else {
                EventFields.write(fields, tag, noise(tag == 1 ? 16 : random.nextInt(40)));
            }
            tag += 1 + random.nextInt(random.nextInt(4) == 0 ? 130 : 3);
        }
        return fields;
    }

    private ByteBuf many(int handle, int requestId) {
        ByteBuf body = allocator.heapBuffer();
        body.writeLongLE(random.nextLong() >>> 1);
        int entries = 1 + random.nextInt(20);
        for (int i = 0; i < entries; i++) {
            byte[] payload = noise(random.nextInt(60));
            boolean isLying = random.nextInt(40) == 0;
            body.writeIntLE(isLying ? random.nextInt() : 16 + payload.length);
            body.writeLongLE(0)
                    .writeIntLE(0)
                    .writeShortLE(random.nextInt(9))
                    .writeShortLE(0)
                    .writeBytes(payload);
        }
        ByteBuf out = allocator.heapBuffer();
        FrameHeader.write(out, FrameType.PUBLISH, FrameHeader.FLAG_MANY, handle, requestId, body.readableBytes());
        out.writeBytes(body);
        body.release();
        return out;
    }

    private ByteBuf unknown(int handle, int requestId) {
        byte[] body = noise(random.nextInt(NOISE_BYTES_MAX));
        ByteBuf out = allocator.heapBuffer();
        FrameHeader.write(
                out,
                FrameType.PING,
                random.nextInt(OFTEN) == 0 ? random.nextInt(256) : FrameHeader.FLAG_IGNORE_IF_UNKNOWN,
                handle,
                requestId,
                body.length);
        out.setByte(FrameHeader.TYPE_AT, 0x40 + random.nextInt(0xc0));
        return out.writeBytes(body);
    }

    /** Changes a frame in place; mostly behind the length field. */
    private void damage(ByteBuf frame) {
        int length = frame.readableBytes();
        int start = frame.readerIndex();
        switch (random.nextInt(32)) {
            case 0 -> frame.setIntLE(start, random.nextInt()); // a length that lies
            case 1 -> frame.setIntLE(start, frame.getIntLE(start) + random.nextInt(9) - 4); // one that lies a little
            case 2 -> frame.writerIndex(start + random.nextInt(length)); // cut short
            case 3 -> flipBits(frame, start, length);
            case 4 -> {
                frame.clear();
                writeNoise(frame);
            }
            case 5, 6, 7 -> cutBody(frame, start, length);
            case 8, 9 -> frame.setByte(start + FrameHeader.FLAGS_AT, random.nextInt(128));
            default -> flipBits(frame, start + FrameHeader.HANDLE_AT, length - FrameHeader.HANDLE_AT);
        }
    }

    private void flipBits(ByteBuf frame, int from, int length) {
        for (int i = random.nextInt(8); i >= 0 && length > 0; i--) {
            int at = from + random.nextInt(length);
            frame.setByte(at, frame.getByte(at) ^ (1 << random.nextInt(8)));
        }
    }

    /** Cuts the body and says so in the length field. */
    private void cutBody(ByteBuf frame, int start, int length) {
        if (length <= FrameHeader.LENGTH) {
            return;
        }
        int kept = FrameHeader.LENGTH + random.nextInt(length - FrameHeader.LENGTH);
        frame.writerIndex(start + kept);
        frame.setIntLE(start, kept - FrameHeader.LENGTH_FIELD_BYTES);
    }

    private void writeNoise(ByteBuf out) {
        out.writeBytes(noise(1 + random.nextInt(NOISE_BYTES_MAX)));
    }

    private byte[] noise(int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    private String word() {
        return new String(noise(1 + random.nextInt(20)), StandardCharsets.ISO_8859_1);
    }
}
