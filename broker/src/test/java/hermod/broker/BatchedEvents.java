package hermod.broker;

import hermod.protocol.ProtocolException;
import hermod.protocol.frame.BatchFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.util.ArrayDeque;

/** The events a client is sent, whether they come alone or in a BATCH; other frames are passed over. One thread. */
final class BatchedEvents {
    private final RawClient client;
    private final ArrayDeque<RawClient.Event> unpacked = new ArrayDeque<>();
    int batchCount;

    BatchedEvents(RawClient client) {
        this.client = client;
    }

    RawClient.Event next() throws IOException, ProtocolException {
        while (unpacked.isEmpty()) {
            ByteBuf frame = client.read();
            int type = FrameHeader.type(frame, 0);
            if (type == FrameType.EVENT.code()) {
                return new RawClient.Event(frame);
            }
            if (type == FrameType.CLOSE.code()) {
                throw new IOException("closed: code="
                        + hermod.protocol.control.wire.Close.parseFrom(RawClient.body(frame))
                                .getCode());
            }
            if (type == FrameType.BATCH.code()) {
                unpack(frame);
            }
        }
        return unpacked.remove();
    }

    private void unpack(ByteBuf frame) throws ProtocolException {
        batchCount++;
        BatchFrame.check(frame, 0);
        ByteBuf events = Unpooled.buffer();
        BatchFrame.unpack(frame, 0, events);
        int at = 0;
        while (at < events.writerIndex()) {
            int bytes = FrameHeader.frameBytes(events, at);
            unpacked.add(new RawClient.Event(events.copy(at, bytes)));
            at += bytes;
        }
    }
}
