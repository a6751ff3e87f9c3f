package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.Feature;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A client that reads when it is told to, and keeps account of all offsets of its topics: each was delivered once, in order, or announced as missing in its place. */
public final class SlowReader {
    /** What has come of one topic. */
    public static final class Track {
        private final int handle;
        private final List<Long> events = new ArrayList<>();
        private final List<Long> missing = new ArrayList<>();
        private final List<String> notices = new ArrayList<>();
        private long seen;

        private Track(int handle) {
            this.handle = handle;
        }

        /** Offsets delivered. */
        public List<Long> events() {
            return events;
        }

        /** Offsets announced by GAPs and not delivered. */
        public List<Long> missing() {
            return missing;
        }

        /** The GAPs and GAP_CLOSEDs, such as {@code GAP 3-7 2} or {@code GAP 3-7 2 FILL}. */
        public List<String> notices() {
            return notices;
        }

        /** The last offset that has come or was announced as missing. */
        public long seen() {
            return seen;
        }
    }

    private final RawClient client;
    private final Welcome welcome;
    private final Map<Integer, Track> tracks = new HashMap<>();
    private final Track first;

    private SlowReader(RawClient client, Welcome welcome, String topic) throws IOException {
        this.client = client;
        this.welcome = welcome;
        this.first = subscribe(topic);
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

    /** One topic more; nothing may have come yet. */
    public Track subscribe(String topic) throws IOException {
        Track track = new Track(client.subscribe(topic).getHandle());
        tracks.put(track.handle, track);
        return track;
    }

    public RawClient client() {
        return client;
    }

    public Welcome welcome() {
        return welcome;
    }

    /** Of the first topic, like all below. */
    public List<Long> events() {
        return first.events;
    }

    public List<Long> missing() {
        return first.missing;
    }

    public List<String> notices() {
        return first.notices;
    }

    /** Reads until the event with this offset has come or was announced as missing. */
    public void readUpTo(long offset) throws IOException {
        readUpTo(first, offset);
    }

    public void readUpTo(Track track, long offset) throws IOException {
        while (track.seen < offset) {
            readOne();
        }
    }

    public void readOne() throws IOException {
        ByteBuf frame = client.read();
        FrameType type = FrameType.ofCode(FrameHeader.type(frame, 0));
        Track track = tracks.get(FrameHeader.handle(frame, 0));
        assertThat(track).as("topic of %s", type).isNotNull();
        if (type == FrameType.EVENT) {
            long next = EventFrame.offset(frame, 0);
            assertThat(next).as("offset behind %s", track.seen).isEqualTo(track.seen + 1);
            track.events.add(next);
            track.seen = next;
            return;
        }
        long from = FlowFrames.first(frame, 0);
        long to = FlowFrames.last(frame, 0);
        if (type == FrameType.GAP) {
            assertThat(from).as("begin of a gap behind %s", track.seen).isEqualTo(track.seen + 1);
            boolean isFillComing = FlowFrames.isFillComing(frame, 0);
            track.notices.add(
                    "GAP " + from + "-" + to + " " + FlowFrames.gapReason(frame, 0) + (isFillComing ? " FILL" : ""));
            if (!isFillComing) {
                for (long one = from; one <= to; one++) {
                    track.missing.add(one);
                }
                track.seen = to;
            }
        } else {
            assertThat(type).isEqualTo(FrameType.GAP_CLOSED);
            assertThat(to).as("end of a gap that was closed").isLessThanOrEqualTo(track.seen);
            track.notices.add("GAP_CLOSED " + from + "-" + to);
        }
    }
}
