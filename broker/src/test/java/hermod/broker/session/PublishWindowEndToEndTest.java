package hermod.broker.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.broker.BrokerUnderTest;
import hermod.broker.LeakCheck;
import hermod.broker.RawClient;
import hermod.protocol.ErrorCode;
import hermod.protocol.control.wire.Limits;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.BitSet;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@Tag("FL-1")
@Tag("FL-11")
@ExtendWith(LeakCheck.class)
class PublishWindowEndToEndTest {
    private static final List<String> FAST = List.of("pub:*", "sub:*", "rate:unlimited");
    private static final int FRAMES = 100;
    private static final int PER_FRAME = 10;

    private static BrokerUnderTest start(int events, int bytes) throws Exception {
        return new BrokerUnderTest.Setup()
                .shards(2)
                .publish(new PublishConfig(events, bytes, 0, 1, 0, 60_000, 1_000))
                .start();
    }

    @Test
    void theWindowIsToldInWelcome() throws Exception {
        try (BrokerUnderTest broker = start(123, 45_678)) {
            Limits limits = broker.welcome(broker.socket(), "alice").getLimits();
            assertThat(limits.getPublishWindowEvents()).isEqualTo(123);
            assertThat(limits.getPublishWindowBytes()).isEqualTo(45_678);
        }
    }

    /** All in one write, so that the broker takes much of it in one read, before any other shard can have answered. */
    private static void burst(RawClient client, int handle, int firstRequestId) throws Exception {
        ByteBuf out = Unpooled.buffer();
        for (int frame = 0; frame < FRAMES; frame++) {
            FrameHeader.write(
                    out,
                    FrameType.PUBLISH,
                    FrameHeader.FLAG_MANY,
                    handle,
                    firstRequestId + frame * PER_FRAME,
                    8 + PER_FRAME * 20);
            out.writeLongLE(0);
            for (int i = 0; i < PER_FRAME; i++) {
                out.writeIntLE(16).writeZero(16);
            }
        }
        client.send(out);
    }

    private record Outcomes(int accepted, int backPressured, BitSet answered) {}

    private static Outcomes read(RawClient client, int firstRequestId) throws Exception {
        BitSet answered = new BitSet();
        int accepted = 0;
        int refused = 0;
        while (accepted + refused < FRAMES * PER_FRAME) {
            PublishedFrame published = client.readPublished();
            for (int i = 0; i < published.rangeCount(); i++) {
                int from = published.rangeFirstRequestId(i) - firstRequestId;
                answered.set(from, from + published.rangeLength(i));
                accepted += published.rangeLength(i);
            }
            for (int i = 0; i < published.exceptionCount(); i++) {
                assertThat(published.exceptionCode(i)).isEqualTo(ErrorCode.BACK_PRESSURED.code());
                assertThat(published.exceptionRetryAfterMs(i)).isPositive();
                answered.set(published.exceptionRequestId(i) - firstRequestId);
                refused++;
            }
        }
        return new Outcomes(accepted, refused, answered);
    }

    /** A topic whose home is the other shard: what is published to it is answered from there. */
    private static int remoteHandle(BrokerUnderTest broker, RawClient client) throws Exception {
        int shard = broker.broker().connections().get(0).shard();
        for (int i = 0; ; i++) {
            String name = "chat:" + i;
            int handle = client.open(name).getHandle();
            if (broker.broker().topics("acme", name).get(0).homeShard() != shard) {
                return handle;
            }
        }
    }

    @Test
    void whatIsBeyondTheWindowIsRefusedAndWhatIsAnsweredMakesRoomAgain() throws Exception {
        for (PublishConfig window : List.of(
                new PublishConfig(20, 0, 0, 1, 0, 60_000, 1_000),
                new PublishConfig(0, 20 * 16, 0, 1, 0, 60_000, 1_000))) {
            try (BrokerUnderTest broker = start(window.windowEvents(), window.windowBytes())) {
                RawClient client = broker.client("alice", FAST);
                int handle = remoteHandle(broker, client);
                int first = 0;
                int refused = 0;
                while (refused == 0) {
                    burst(client, handle, first);
                    Outcomes outcomes = read(client, first);
                    assertThat(outcomes.answered().cardinality()).isEqualTo(FRAMES * PER_FRAME);
                    assertThat(outcomes.accepted()).isGreaterThanOrEqualTo(20);
                    refused = outcomes.backPressured();
                    first += FRAMES * PER_FRAME;
                }
                client.publish(handle, first, "room again");
                assertThat(client.readPublished().rangeCount()).isEqualTo(1);
                assertThat(broker.counter("publishes_back_pressured")).isEqualTo(refused);
            }
        }
    }

    @Test
    void aWindowThatIsKeptRefusesNothing() throws Exception {
        try (BrokerUnderTest broker = start(10, 0)) {
            RawClient client = broker.client("alice", FAST);
            int handle = remoteHandle(broker, client);
            for (int i = 0; i < 500; i++) {
                client.publish(handle, i, "x");
                assertThat(client.readPublished().rangeCount()).isEqualTo(1);
            }
            await().untilAsserted(
                            () -> assertThat(broker.channel("chat").published()).isEqualTo(500));
        }
    }
}
