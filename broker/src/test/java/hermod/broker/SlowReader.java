package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.Feature;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.LaterFrames;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** A client with one subscription that reads when it is told to, and keeps account of all offsets: each was delivered once, in order, or announced as missing in its place. */
public final class SlowReader {
    private final RawClient client;
    private final Welcome welcome;
    private final int handle;
    private final List<Long> events = new ArrayList<>();
    private final List<Long> missing = new ArrayList<>();
    private final List<String> notices = new ArrayList<>();
    private long seen;

    private SlowReader(RawClient client, Welcome welcome, String topic) throws IOException {
        this.client = client;
        this.welcome = welcome;
        this.handle = client.subscribe(topic).getHandle();
    }

    public static SlowReader connect(BrokerUnderTest broker, String user, String topic, Feature... features)
            throws IOException {
        RawClient client = broker.socket();
        // A small one, so that little is on its way when it stops.
        client.socket().setReceiveBufferSize(32 * 1024);
        long mask = 0;
        for (Feature feature : features) {
            mask |= feature.bit();
        }
        String token = broker.token(user, List.of("pub:*", "sub:*", "limits:service", "rate:unlimited", "urgent"));
        Welcome welcome = client.connect(RawClient.hello(token).setFeatures(mask));
        assertThat(welcome.getFeatures()).isEqualTo(mask);
        return new SlowReader(client, welcome, topic);
    }

    public RawClient client() {
        return client;
    }

    public Welcome welcome() {
        return welcome;
    }

    /** Offsets delivered. */
    public List<Long> events() {
        return events;
    }

    /** Offsets announced by GAPs and not delivered. */
    public List<Long> missing() {
        return missing;
    }

    /** The GAPs and GAP_CLOSEDs, such as {@code GAP 3-7 2}. */
    public List<String> notices() {
        return notices;
    }

    /** Reads until the event with this offset has come or was announced as missing. */
    public void readUpTo(long offset) throws IOException {
        while (seen < offset) {
            readOne();
        }
    }

    public void readOne() throws IOException {
        ByteBuf frame = client.read();
        FrameType type = FrameType.ofCode(FrameHeader.type(frame, 0));
        assertThat(FrameHeader.handle(frame, 0)).as("handle of %s", type).isEqualTo(handle);
        if (type == FrameType.EVENT) {
            long next = EventFrame.offset(frame, 0);
            assertThat(next).as("offset behind %s", seen).isEqualTo(seen + 1);
            events.add(next);
            seen = next;
        } else if (type == FrameType.GAP) {
            long from = LaterFrames.first(frame, 0);
            long to = LaterFrames.last(frame, 0);
            assertThat(from).as("begin of a gap behind %s", seen).isEqualTo(seen + 1);
            for (long one = from; one <= to; one++) {
                missing.add(one);
            }
            seen = to;
            notices.add("GAP " + from + "-" + to + " " + LaterFrames.gapReason(frame, 0));
        } else {
            notices.add(type + " " + LaterFrames.first(frame, 0) + "-" + LaterFrames.last(frame, 0));
        }
    }
}
