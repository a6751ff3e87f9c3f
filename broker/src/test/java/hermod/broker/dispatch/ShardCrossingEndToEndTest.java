package hermod.broker.dispatch;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.BrokerUnderTest;
import hermod.broker.LeakCheck;
import hermod.broker.RawClient;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.PublishedFrame;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What may go wrong only where a publisher, its topic and a subscriber live on different shards. */
@ExtendWith(LeakCheck.class)
class ShardCrossingEndToEndTest {
    @Test
    void anEventNamesItsOwnPublisherWhoeverElsePublishesToTheTopic() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(3)) {
            RawClient reader = broker.client("reader");
            reader.subscribe("chat:room");
            // Names of one length, on all shards: one of these clients shares the topic's home.
            List<RawClient> publishers = new ArrayList<>();
            List<Integer> handles = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                RawClient client = broker.client("user" + i);
                publishers.add(client);
                handles.add(client.open("chat:room").getHandle());
            }
            for (int round = 0; round < 3; round++) {
                for (int i = 0; i < publishers.size(); i++) {
                    publishers.get(i).publish(handles.get(i), round, "by user" + i);
                    publishers.get(i).readPublished();
                    RawClient.Event event = reader.readEvent();
                    assertThat("by " + event.field(EventFields.TAG_SOURCE)).isEqualTo(event.text());
                }
            }
        }
    }

    @Test
    void everyEventOfAFloodFromEveryShardHasExactlyOneOutcome() throws Exception {
        int perClientCount = 3_000;
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(3)) {
            List<Thread> threads = new ArrayList<>();
            List<Throwable> failures = java.util.Collections.synchronizedList(new ArrayList<>());
            for (int i = 0; i < 4; i++) {
                RawClient client = broker.client("user" + i, List.of("pub:*", "sub:*", "rate:unlimited"));
                int[] handles = {
                    client.open("chat:a").getHandle(), client.open("feed:b").getHandle()
                };
                Thread thread = new Thread(() -> {
                    try {
                        for (int id = 0; id < perClientCount; id++) {
                            client.publish(handles[id % 2], id, "x");
                        }
                        checkOutcomes(client, perClientCount);
                    } catch (Throwable failed) {
                        failures.add(failed);
                    }
                });
                thread.start();
                threads.add(thread);
            }
            for (Thread thread : threads) {
                thread.join();
            }
            assertThat(failures).isEmpty();
        }
    }

    private static void checkOutcomes(RawClient client, int count) throws Exception {
        Map<Integer, Integer> outcomes = new HashMap<>();
        while (outcomes.size() < count) {
            PublishedFrame published = client.readPublished();
            for (int i = 0; i < published.rangeCount(); i++) {
                for (int k = 0; k < published.rangeLength(i); k++) {
                    outcomes.merge(published.rangeFirstRequestId(i) + k, 1, Integer::sum);
                }
            }
            for (int i = 0; i < published.exceptionCount(); i++) {
                outcomes.merge(published.exceptionRequestId(i), 1, Integer::sum);
            }
        }
        assertThat(outcomes.values()).allMatch(times -> times == 1);
        assertThat(client.isQuiet(50)).isTrue();
    }
}
