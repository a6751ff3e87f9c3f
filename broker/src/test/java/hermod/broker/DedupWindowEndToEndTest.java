package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.broker.engine.GatedEngine;
import hermod.broker.metrics.ChannelStats;
import hermod.broker.topic.TopicConfig;
import hermod.protocol.frame.EventFields;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Operators are told for how long an event id is recognised, also where it is less than the channel promises. */
@Tag("EV-6")
@ExtendWith(LeakCheck.class)
class DedupWindowEndToEndTest {
    private static final int IDS_LIMIT = 16;
    private static final long TEN_MINUTES_US = TimeUnit.MINUTES.toMicros(10);

    private final GatedEngine engine = new GatedEngine();

    @AfterEach
    void end() {
        engine.end();
    }

    private BrokerUnderTest broker() throws Exception {
        TopicConfig topic = TopicConfig.defaults();
        return new BrokerUnderTest.Setup()
                .engine(engine)
                .topic(new TopicConfig(
                        topic.topicsLimitCount(),
                        topic.idleSeconds(),
                        topic.chunkBytes(),
                        topic.producersPerTopicLimitCount(),
                        IDS_LIMIT,
                        topic.stateKeysPerTopicLimitCount(),
                        topic.stateKeysLimitCount(),
                        topic.dedupLimitBytes(),
                        topic.replaySeconds(),
                        topic.replayTopicBytes(),
                        topic.replayLimitBytes()))
                .start();
    }

    private static void publish(RawClient publisher, int handle, int number) throws Exception {
        ByteBuf fields = Unpooled.buffer();
        fields.writeByte(EventFields.TAG_EVENT_ID).writeShortLE(16).writeLong(1).writeLong(number);
        publisher.publish(handle, number, 0, 0, 0, 0, 0, ByteBufUtil.getBytes(fields), new byte[] {1});
        assertThat(publisher.readPublished().rangeCount()).isEqualTo(1);
    }

    private static ChannelStats awaitShort(BrokerUnderTest broker) {
        await().until(() -> broker.channel("chat").dedupShortUs() > 0);
        return broker.channel("chat");
    }

    @Test
    void theWindowIsThePolicysUntilATopicHasMoreIdsThanItMayRememberAndAfterARestartToo() throws Exception {
        try (BrokerUnderTest broker = broker()) {
            assertThat(broker.channel("chat").dedupIdsLimit()).isEqualTo(IDS_LIMIT);
            assertThat(broker.channel("wallet").dedupWindowUs()).isEqualTo(TimeUnit.DAYS.toMicros(1));
            assertThat(broker.channel("feed").dedupWindowUs()).isZero();
            assertThat(broker.channel("feed").dedupIdsLimit()).isZero();
            RawClient publisher = broker.client("alice", List.of("pub:*", "rate:unlimited"));
            int busy = publisher.open("chat:busy").getHandle();
            for (int i = 1; i <= IDS_LIMIT; i++) {
                publish(publisher, busy, i);
            }
            assertThat(broker.channel("chat").dedupWindowUs()).isEqualTo(TEN_MINUTES_US);

            publish(publisher, busy, IDS_LIMIT + 1);
            ChannelStats shortened = awaitShort(broker);
            assertThat(shortened.dedupWindowUs() + shortened.dedupShortUs()).isEqualTo(TEN_MINUTES_US);
            assertThat(shortened.dedupWindowUs()).isLessThan(TimeUnit.MINUTES.toMicros(1));
            assertThat(broker.channel("dm").dedupShortUs()).isZero();
        }
        try (BrokerUnderTest broker = broker()) {
            assertThat(broker.channel("chat").dedupShortUs()).isZero();
            broker.client("alice", List.of("pub:*", "rate:unlimited")).open("chat:busy");
            assertThat(awaitShort(broker).dedupWindowUs()).isLessThan(TimeUnit.MINUTES.toMicros(1));
        }
    }
}
