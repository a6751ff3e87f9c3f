package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.broker.engine.GatedEngine;
import hermod.broker.session.PublishConfig;
import hermod.protocol.CloseCode;
import hermod.protocol.control.wire.Close;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedFrame;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A client that says goodbye while its events are on their way to the disk. */
@Tag("DL-4")
@ExtendWith(LeakCheck.class)
class GoodbyeEndToEndTest {
    private static final int LONG_MS = 60_000;

    private final GatedEngine engine = new GatedEngine();

    @AfterEach
    void end() {
        engine.end();
    }

    private BrokerUnderTest broker(int shards, int outcomesMs) throws Exception {
        PublishConfig publish = PublishConfig.defaults();
        return new BrokerUnderTest.Setup()
                .shards(shards)
                .engine(engine)
                .publish(new PublishConfig(
                        publish.windowEvents(),
                        publish.windowBytes(),
                        publish.urgentRatePerMinute(),
                        publish.urgentRateBurst(),
                        publish.idleRatesLimitCount(),
                        publish.unreadAnswersTimeoutMs(),
                        outcomesMs))
                .start();
    }

    private static RawClient client(BrokerUnderTest broker, String user) throws Exception {
        return broker.client(user, List.of("pub:*", "sub:*", "rate:unlimited"));
    }

    private static void sayGoodbye(RawClient client) throws Exception {
        client.send(
                FrameType.CLOSE,
                0,
                Close.newBuilder().setCode(CloseCode.NORMAL.code()).build());
    }

    /** On one shard the publisher's is the topic's home, on two it is not for some of the topics. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void itIsToldTheOutcomesOfAllItHasPublishedBeforeItIsClosedAndNothingMoreIsTakenFromIt(int shards)
            throws Exception {
        try (BrokerUnderTest broker = broker(shards, LONG_MS)) {
            RawClient subscriber = client(broker, "bob");
            RawClient publisher = client(broker, "alice");
            int[] handles = new int[4];
            for (int i = 0; i < handles.length; i++) {
                subscriber.subscribe("chat:" + i);
                handles[i] = publisher.open("chat:" + i).getHandle();
            }
            engine.hold();
            for (int i = 0; i < handles.length; i++) {
                publisher.publish(handles[i], i, "last words");
            }
            sayGoodbye(publisher);
            publisher.publish(handles[0], 99, "behind the goodbye");
            await().until(() -> engine.heldCount() > 0);
            assertThat(publisher.isQuiet(50)).isTrue();

            engine.release();
            int accepted = 0;
            while (accepted < handles.length) {
                PublishedFrame outcome = publisher.readPublished();
                assertThat(outcome.exceptionCount()).isZero();
                for (int i = 0; i < outcome.rangeCount(); i++) {
                    accepted += outcome.rangeLength(i);
                }
            }
            assertThat(accepted).isEqualTo(handles.length);
            assertThat(publisher.readClose()).isEqualTo(CloseCode.NORMAL.code());
            assertThat(RawClient.texts(subscriber, handles.length)).containsOnly("last words");
            assertThat(subscriber.isQuiet(50)).isTrue();
        }
    }

    @Test
    void itIsClosedWithoutThemWhereTheyDoNotComeInTime() throws Exception {
        try (BrokerUnderTest broker = broker(1, 100)) {
            RawClient publisher = client(broker, "alice");
            int handle = publisher.open("chat:1").getHandle();
            engine.hold();
            publisher.publish(handle, 1, "last words");
            sayGoodbye(publisher);
            assertThat(publisher.readClose()).isEqualTo(CloseCode.NORMAL.code());
            engine.release();
            // What was not told is stored all the same.
            RawClient again = client(broker, "alice");
            await().until(() -> again.open("chat:1").getNextOffset() == 2);
        }
    }

    @Test
    void aClientThatHasPublishedNothingIsClosedAtOnce() throws Exception {
        try (BrokerUnderTest broker = broker(1, LONG_MS)) {
            RawClient client = client(broker, "alice");
            sayGoodbye(client);
            assertThat(client.readClose()).isEqualTo(CloseCode.NORMAL.code());
        }
    }
}
