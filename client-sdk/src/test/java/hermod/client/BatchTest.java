package hermod.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.protocol.CloseCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.Close;
import hermod.protocol.frame.BatchFrame;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Compressed batches over a real socket. */
@Tag("FL-7")
class BatchTest extends ClientFixture {
    private final BlockingQueue<Event> heard = new LinkedBlockingQueue<>();
    private HermodClient client;
    private FakeBroker.Peer peer;

    private int connect(HermodClient.Builder builder, Feature... agreed) throws Exception {
        client = client(builder);
        CompletableFuture<ConnectionInfo> connected = client.connect();
        peer = broker.accept();
        peer.welcomeWith(agreed);
        done(connected);
        CompletableFuture<Subscription> subscribed = client.subscribe(ROOM, heard::add);
        int handle = peer.grantSubscribe(ROOM, EPOCH, 1);
        done(subscribed);
        return handle;
    }

    private static ByteBuf batch(int handle, long... offsets) {
        ByteBuf events = Unpooled.buffer();
        for (long offset : offsets) {
            ByteBuf fields = Unpooled.buffer();
            EventFields.write(fields, EventFields.TAG_SOURCE, "grace".getBytes(StandardCharsets.UTF_8));
            byte[] payload =
                    ("event " + offset + " of a channel with much the same in each").getBytes(StandardCharsets.UTF_8);
            FrameHeader.write(
                    events,
                    FrameType.EVENT,
                    0,
                    handle,
                    0,
                    Long.BYTES + Entry.FIXED_BYTES + fields.readableBytes() + payload.length);
            events.writeLongLE(offset);
            Entry.writeFixed(events, 1_795_219_200_000_000L, 0, 0, fields.readableBytes());
            events.writeBytes(fields).writeBytes(payload);
        }
        int bytes = events.readableBytes();
        ByteBuffer out = ByteBuffer.allocate(BatchFrame.frameBytesMax(bytes)).order(ByteOrder.LITTLE_ENDIAN);
        int frameBytes = BatchFrame.write(events.nioBuffer(), 0, bytes, offsets.length, 0, handle, out, 0);
        return Unpooled.wrappedBuffer(out.array(), 0, frameBytes);
    }

    private List<Long> offsets(int count) throws InterruptedException {
        List<Long> offsets = new java.util.ArrayList<>();
        for (int i = 0; i < count; i++) {
            Event event = heard.poll(60, TimeUnit.SECONDS);
            assertThat(event).isNotNull();
            assertThat(event.text()).startsWith("event " + event.offset() + " of");
            offsets.add(event.offset());
        }
        return offsets;
    }

    @Test
    void theEventsOfABatchReachTheListenerAsIfEachHadComeAlone() throws Exception {
        int handle = connect(builder(), Feature.LZ4);
        peer.event(handle, 1, "event 1 of");
        peer.send(batch(handle, 2, 3, 4));
        peer.event(handle, 5, "event 5 of");
        peer.send(batch(handle, 4, 5, 8, 9));
        assertThat(offsets(7)).containsExactly(1L, 2L, 3L, 4L, 5L, 8L, 9L);
        assertThat(client.channelStatus().get("chat").suppressed()).isEqualTo(2);
    }

    @Test
    void aBatchThatClaimsWhatItDoesNotHoldEndsTheConnection() throws Exception {
        int handle = connect(builder(), Feature.LZ4);
        ByteBuf lie = batch(handle, 1, 2, 3);
        lie.setIntLE(FrameHeader.LENGTH, lie.getIntLE(FrameHeader.LENGTH) + 1);
        peer.send(lie);
        assertThat(peer.expect(FrameType.CLOSE).body(Close.parser()).getCode()).isEqualTo(CloseCode.BAD_FRAME.code());
        assertThat(heard).isEmpty();
    }

    @Test
    void aBatchThatWasNotAgreedEndsTheConnection() throws Exception {
        int handle = connect(builder().features(Set.of(Feature.CREDIT)));
        peer.send(batch(handle, 1, 2, 3));
        assertThat(peer.expect(FrameType.CLOSE).body(Close.parser()).getCode()).isEqualTo(CloseCode.BAD_FRAME.code());
    }

    @Test
    @Tag("FL-11")
    void creditIsWhatABatchHasOnTheWireAndComesBackWhenItsEventsAreHandled() throws Exception {
        int windowBytes = 4_096;
        int handle = connect(builder().receiveCredit(windowBytes), Feature.LZ4, Feature.CREDIT);
        long sent = 0;
        long offset = 1;
        while (sent < 4L * windowBytes) {
            ByteBuf batch = batch(handle, offset, offset + 1, offset + 2, offset + 3);
            offset += 4;
            sent += batch.readableBytes();
            peer.send(batch);
            offsets(4);
            long upToNow = sent;
            await().untilAsserted(() -> assertThat(peer.credit.get() - upToNow).isGreaterThan(windowBytes / 2));
            assertThat(peer.credit.get() - upToNow).isLessThanOrEqualTo(windowBytes);
        }
    }
}
