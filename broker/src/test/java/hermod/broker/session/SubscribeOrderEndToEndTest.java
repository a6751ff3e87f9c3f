package hermod.broker.session;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.BrokerUnderTest;
import hermod.broker.LeakCheck;
import hermod.broker.RawClient;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Unsubscribe;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LeakCheck.class)
class SubscribeOrderEndToEndTest {
    private static final List<String> UNLIMITED = List.of("pub:*", "sub:*", "rate:unlimited");

    /** Events published and not heard of; fewer than a publisher's window, so none of them is refused. */
    private static final int AHEAD = 4_000;

    /** The last offset the subscriber was told. */
    private final AtomicLong seen = new AtomicLong();

    @Test
    void noEventPrecedesTheSubscribedThatGrantsItsTopicHoweverManyHomesMustAnswer() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(3)) {
            RawClient publisher = broker.client("publisher", UNLIMITED);
            int hot = publisher.open("safety:hot").getHandle();
            AtomicBoolean isStopped = new AtomicBoolean();
            Thread flood = new Thread(() -> {
                try {
                    for (int id = 0; !isStopped.get(); id++) {
                        // Not further ahead than a subscriber's outbox holds, or one that is slow to run is closed.
                        while (id > seen.get() + AHEAD && !isStopped.get()) {
                            LockSupport.parkNanos(50_000);
                        }
                        publisher.publish(hot, id, "x");
                        if (id % 64 == 63) {
                            drain(publisher);
                        }
                    }
                } catch (Exception ended) {
                    // The broker was closed.
                }
            });
            flood.start();
            try {
                RawClient subscriber = broker.client("subscriber", List.of("pub:*", "sub:*", "limits:service"));
                for (int round = 0; round < 60; round++) {
                    subscribeAndLetGo(subscriber, round);
                }
            } finally {
                isStopped.set(true);
                flood.join();
            }
        }
    }

    private static void drain(RawClient client) throws Exception {
        while (client.socket().getInputStream().available() > 0) {
            client.read();
        }
    }

    private void subscribeAndLetGo(RawClient subscriber, int round) throws Exception {
        Subscribe.Builder wishes = Subscribe.newBuilder().addTopics("safety:hot");
        for (int i = 0; i < 300; i++) {
            wishes.addTopics("feed:" + round + "-" + i);
        }
        subscriber.send(FrameType.SUBSCRIBE, round, wishes.build());
        ByteBuf answer = subscriber.read();
        assertThat(FrameType.ofCode(FrameHeader.type(answer, 0)))
                .as("round %d", round)
                .isEqualTo(FrameType.SUBSCRIBED);
        List<Integer> handles = new ArrayList<>();
        List<TopicResult> results = Subscribed.parseFrom(RawClient.body(answer)).getResultsList();
        results.forEach(result -> handles.add(result.getHandle()));
        // Each event from next_offset on follows, and none before it.
        seen.set(results.get(0).getNextOffset());
        assertThat(subscriber.readEvent().offset()).isEqualTo(seen.get());
        subscriber.send(
                FrameType.UNSUBSCRIBE,
                round,
                Unsubscribe.newBuilder().addAllHandles(handles).build());
        for (ByteBuf frame = subscriber.read();
                FrameHeader.type(frame, 0) != FrameType.UNSUBSCRIBED.code();
                frame = subscriber.read()) {
            // Events sent before.
            seen.set(new RawClient.Event(frame).offset());
        }
    }
}
