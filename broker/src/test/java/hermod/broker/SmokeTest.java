package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.PublishedFrame;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SmokeTest {
    @Test
    void anEventReachesASubscriber(@TempDir Path dir) throws Exception {
        for (int shards = 1; shards <= 3; shards += 2) {
            try (Broker broker = Broker.start(TestConfigs.dev(dir, shards));
                    RawClient subscriber = new RawClient(broker.tcpAddress());
                    RawClient publisher = new RawClient(broker.tcpAddress())) {
                subscriber.connect(RawClient.hello(""));
                publisher.connect(RawClient.hello(""));
                TopicResult subscribed = subscriber.subscribe("chat:room_7");
                assertThat(subscribed.getGranted()).isTrue();
                TopicResult opened = publisher.open("chat:room_7");
                assertThat(opened.getHandle()).isEqualTo(subscribed.getHandle());
                publisher.publish(opened.getHandle(), 5, "hello");
                RawClient.Event event = subscriber.readEvent();
                assertThat(event.text()).isEqualTo("hello");
                assertThat(event.offset()).isEqualTo(1);
                PublishedFrame published = publisher.readPublished();
                assertThat(published.rangeCount()).isEqualTo(1);
                assertThat(published.rangeFirstRequestId(0)).isEqualTo(5);
                assertThat(broker.stats().channels().stream()
                                .mapToLong(c -> c.delivered())
                                .sum())
                        .isEqualTo(1);
            }
        }
    }
}
