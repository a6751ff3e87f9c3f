package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.outbox.OutboxConfig;
import hermod.protocol.CloseCode;
import hermod.protocol.frame.FrameType;
import java.util.List;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LeakCheck.class)
class SlowConsumerEndToEndTest {
    @Test
    @Tag("FL-1")
    void aSubscriberThatStopsReadingIsClosedWhenItsOutboxIsFullAndTheOthersGetAll() throws Exception {
        OutboxConfig small = new OutboxConfig(512 * 1024, 64 * 1024, 256 * 1024);
        List<String> unlimited = List.of("pub:*", "sub:*", "limits:service", "rate:unlimited");
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().outbox(small).start()) {
            RawClient stalled = broker.client("stalled", unlimited);
            RawClient lively = broker.client("lively", unlimited);
            RawClient publisher = broker.client("publisher", unlimited);
            stalled.subscribe("tasks:one");
            lively.subscribe("tasks:one");
            int handle = publisher.open("tasks:one").getHandle();
            String payload = "x".repeat(60_000);
            int sent = 0;
            while (broker.counter("connections_slow") == 0) {
                publisher.publish(handle, sent, payload);
                assertThat(lively.readEvent().offset()).isEqualTo(++sent);
                publisher.read(FrameType.PUBLISHED);
                assertThat(sent).as("events a stalled subscriber was owed").isLessThan(1_000);
            }
            assertThat(broker.broker().connections()).extracting("user").doesNotContain("stalled");
            Awaitility.await()
                    .untilAsserted(() ->
                            assertThat(broker.broker().stats().connections()).isEqualTo(2));
            assertThat(stalled.readClose()).isIn(0, CloseCode.SLOW_CONSUMER.code());
        }
    }
}
