package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.session.PublishConfig;
import hermod.broker.topic.ChannelPolicies;
import hermod.protocol.ErrorCode;
import hermod.protocol.Priority;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LeakCheck.class)
class RatesEndToEndTest {
    private static final int URGENT = FrameHeader.FLAG_PRIORITY_GIVEN | 3;

    private static BrokerUnderTest.Setup limited() {
        return new BrokerUnderTest.Setup()
                .channels(ChannelPolicies.defaults())
                .publish(new PublishConfig(0, 0, 60, 3, 100, 60_000, 1_000));
    }

    /** One MANY frame of so many events. */
    private static void publishMany(RawClient client, int handle, int count) throws Exception {
        ByteBuf body = Unpooled.buffer();
        for (int i = 0; i < count; i++) {
            body.writeIntLE(Entry.FIXED_BYTES)
                    .writeLongLE(0)
                    .writeIntLE(0)
                    .writeShortLE(0)
                    .writeShortLE(0);
        }
        ByteBuf out = Unpooled.buffer();
        FrameHeader.write(out, FrameType.PUBLISH, FrameHeader.FLAG_MANY, handle, 1, 8 + body.readableBytes());
        client.send(out.writeLongLE(0).writeBytes(body));
    }

    /** Of a rate of one in a second: what a bucket may have got since. */
    private static int refilled(long sinceNs) {
        return (int) Duration.ofNanos(System.nanoTime() - sinceNs).toSeconds() + 1;
    }

    private record Tally(int accepted, int refused, int code, long retryAfterMs) {}

    private static Tally tally(RawClient client, int events) throws Exception {
        int accepted = 0;
        int refused = 0;
        int code = 0;
        long retryAfterMs = 0;
        while (accepted + refused < events) {
            PublishedFrame published = client.readPublished();
            for (int i = 0; i < published.rangeCount(); i++) {
                accepted += published.rangeLength(i);
            }
            for (int i = 0; i < published.exceptionCount(); i++) {
                refused++;
                code = published.exceptionCode(i);
                retryAfterMs = Math.max(retryAfterMs, published.exceptionRetryAfterMs(i));
            }
        }
        return new Tally(accepted, refused, code, retryAfterMs);
    }

    @Test
    @Tag("DL-10")
    void theSixtyFirstChatMessageOfAMinuteIsRefusedWithTheTimeToWait() throws Exception {
        try (BrokerUnderTest broker = limited().start()) {
            RawClient alice = broker.client("alice");
            int chat = alice.open("chat:1").getHandle();
            long sinceNs = System.nanoTime();
            publishMany(alice, chat, 70);
            Tally tally = tally(alice, 70);
            assertThat(tally.accepted()).isBetween(60, 60 + refilled(sinceNs));
            assertThat(tally.code()).isEqualTo(ErrorCode.RATE_LIMITED.code());
            assertThat(tally.retryAfterMs()).isBetween(1L, 1_000L);
            assertThat(broker.counter("publishes_user_rate_limited")).isEqualTo(tally.refused());
            int feed = alice.open("feed:1").getHandle();
            publishMany(alice, feed, 70);
            assertThat(tally(alice, 70).accepted())
                    .as("a channel without a rate")
                    .isEqualTo(70);
        }
    }

    @Test
    @Tag("DL-10")
    void theRateIsOneForAllOfAUsersConnectionsAndTopicsOnAllShards() throws Exception {
        try (BrokerUnderTest broker = limited().shards(2).start()) {
            int accepted = 0;
            long sinceNs = System.nanoTime();
            for (int i = 0; i < 4; i++) {
                RawClient alice = broker.client("alice");
                publishMany(alice, alice.open("chat:room-" + i).getHandle(), 40);
                accepted += tally(alice, 40).accepted();
            }
            assertThat(accepted).isBetween(60, 60 + refilled(sinceNs));
            RawClient bob = broker.client("bob");
            publishMany(bob, bob.open("chat:room-1").getHandle(), 40);
            assertThat(tally(bob, 40).accepted()).isEqualTo(40);
        }
    }

    @Test
    @Tag("DL-10")
    void anUrgentEventIsExemptAndHasACeilingOfItsOwn() throws Exception {
        try (BrokerUnderTest broker = limited().start()) {
            RawClient guard = broker.client("guard", List.of("pub:*", "sub:*", "urgent"));
            int chat = guard.open("chat:1").getHandle();
            publishMany(guard, chat, 70);
            tally(guard, 70);
            int safety = guard.open("safety:1").getHandle();
            guard.inOneWrite(() -> {
                for (int i = 0; i < 5; i++) {
                    guard.publish(safety, i, URGENT, 0, 0, 0, "help");
                }
            });
            Tally tally = tally(guard, 5);
            assertThat(tally.accepted()).isEqualTo(3);
            assertThat(tally.code()).isEqualTo(ErrorCode.RATE_LIMITED.code());
            assertThat(tally.retryAfterMs()).isBetween(1L, 1_000L);
        }
    }

    @Test
    @Tag("DL-11")
    void theRightToAnyRateLiftsBoth() throws Exception {
        try (BrokerUnderTest broker = limited().start()) {
            RawClient backEnd = broker.client("back-end", List.of("pub:*", "urgent", "rate:unlimited"));
            int chat = backEnd.open("chat:1").getHandle();
            publishMany(backEnd, chat, 1_000);
            assertThat(tally(backEnd, 1_000).accepted()).isEqualTo(1_000);
            int safety = backEnd.open("safety:1").getHandle();
            for (int i = 0; i < 20; i++) {
                backEnd.publish(safety, i, URGENT, 0, 0, 0, "help");
            }
            assertThat(tally(backEnd, 20).accepted()).isEqualTo(20);
        }
    }

    @Test
    @Tag("EV-13")
    void aClaimRaisesWhatAUsersEventsTravelWithUpToTheCeiling() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient vip = broker.socket();
            String token = broker.token("vip", BrokerUnderTest.ORDINARY, Priority.URGENT, Duration.ofHours(1));
            vip.connect(RawClient.hello(token));
            RawClient reader = broker.client("reader");
            for (String topic : List.of("chat:1", "users:1", "feed:1", "safety:1")) {
                reader.subscribe(topic);
            }
            assertThat(priorityOf(vip, reader, "chat:1", 0)).as("ceiling HIGH").isEqualTo(Priority.HIGH);
            assertThat(priorityOf(vip, reader, "users:1", 0))
                    .as("ceiling NORMAL")
                    .isEqualTo(Priority.NORMAL);
            assertThat(priorityOf(vip, reader, "feed:1", 0)).as("ceiling LOW").isEqualTo(Priority.LOW);
            assertThat(priorityOf(vip, reader, "chat:1", FrameHeader.FLAG_PRIORITY_GIVEN))
                    .as("what is asked for counts")
                    .isEqualTo(Priority.LOW);
            RawClient ordinary = broker.client("ordinary");
            assertThat(priorityOf(ordinary, reader, "chat:1", 0)).isEqualTo(Priority.NORMAL);
        }
    }

    /** And checks that nobody is told of a clamping nobody asked for. */
    private static Priority priorityOf(RawClient from, RawClient reader, String topic, int flags) throws Exception {
        from.publish(from.open(topic).getHandle(), 1, flags, 0, 0, 0, "x");
        assertThat(from.readPublished().exceptionCount()).isZero();
        ByteBuf event = reader.read(FrameType.EVENT);
        return Priority.ofCode(FrameHeader.flags(event, 0));
    }

    @Test
    @Tag("EV-4")
    void withoutTheRightAnUrgentEventIsClampedToHighCountedAndTold() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient alice = broker.client("alice");
            RawClient reader = broker.client("reader");
            reader.subscribe("safety:1");
            alice.publish(alice.open("safety:1").getHandle(), 1, URGENT, 0, 0, 0, "x");
            PublishedFrame published = alice.readPublished();
            assertThat(published.rangeCount()).isEqualTo(1);
            assertThat(published.exceptionKind(0)).isEqualTo(PublishedFrame.KIND_CLAMPED);
            assertThat(published.exceptionPriority(0)).isEqualTo(Priority.HIGH);
            assertThat(Priority.ofCode(FrameHeader.flags(reader.read(FrameType.EVENT), 0)))
                    .isEqualTo(Priority.HIGH);
            assertThat(broker.channel("safety").clamped()).isEqualTo(1);
        }
    }
}
