package hermod.broker;

import static hermod.broker.GroupClient.range;
import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.group.GroupConfig;
import hermod.protocol.control.wire.Settle;
import hermod.protocol.frame.FrameType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Publishers and members that come and go, on disk, over ends and starts of the broker; judged by what the clients were told. */
@Tag("EV-12")
class GroupChaosEndToEndTest {
    private static final int TOPICS = 11;
    private static final int EVENTS = 1_200;
    private static final int MEMBERS = 3;
    private static final int RESTARTS = 3;

    @TempDir
    Path dataDir;

    /** The one that runs now. */
    private final AtomicReference<BrokerUnderTest> broker = new AtomicReference<>();

    private final AtomicBoolean isPublished = new AtomicBoolean();

    /** What publishers were told is accepted. */
    private final Set<String> accepted = ConcurrentHashMap.newKeySet();

    /** What members were told is settled, by position. */
    private final Map<Long, String> settled = new ConcurrentHashMap<>();

    /** What was in a SETTLE whose answer did not come: settled or not. */
    private final Set<String> unknown = ConcurrentHashMap.newKeySet();

    private final Set<String> faults = ConcurrentHashMap.newKeySet();

    private BrokerUnderTest start() throws Exception {
        GroupConfig defaults = GroupConfig.defaults();
        return new BrokerUnderTest.Setup()
                .embedded()
                .dataDir(dataDir)
                .shards(2)
                .groups(new GroupConfig(
                        8, 8, 8, 50, 20_000, 60_000, 5, 40, 8_000, 16_384, defaults.waitingLimitCount()))
                .start();
    }

    @Test
    @Timeout(60)
    void everyAcceptedEventIsSettledAndNoneComesAgainAfterSettledCame() throws Exception {
        broker.set(start());
        ExecutorService threads = Executors.newFixedThreadPool(MEMBERS + 1);
        try {
            GroupClient first = new GroupClient(broker.get(), "fraud");
            first.share("fraud");
            first.raw().close();
            Future<?> publishing = threads.submit(this::publishAll);
            Future<?>[] members = new Future<?>[MEMBERS];
            for (int i = 0; i < MEMBERS; i++) {
                int seed = i;
                members[i] = threads.submit(() -> beMember(new Random(seed)));
            }
            for (int i = 1; i <= RESTARTS; i++) {
                while (accepted.size() < EVENTS * i / (RESTARTS + 1)) {
                    assertThat(publishing.isDone()).isFalse();
                    Thread.onSpinWait();
                }
                broker.get().broker().close();
                broker.set(start());
            }
            publishing.get(60, TimeUnit.SECONDS);
            isPublished.set(true);
            for (Future<?> member : members) {
                member.get(60, TimeUnit.SECONDS);
            }
        } finally {
            threads.shutdownNow();
            broker.get().close();
        }
        assertThat(faults).isEmpty();
        assertThat(done()).containsAll(accepted);
        assertThat(unknown).as("so that the test says something").hasSizeLessThan(EVENTS / 3);
    }

    private Set<String> done() {
        Set<String> done = new HashSet<>(settled.values());
        done.addAll(unknown);
        return done;
    }

    private Void publishAll() throws Exception {
        int next = 0;
        while (next < EVENTS) {
            try (RawClient alice = broker.get().client("alice")) {
                int[] handles = new int[TOPICS];
                for (int i = 0; i < TOPICS; i++) {
                    handles[i] = alice.open("chat:t" + i).getHandle();
                }
                while (next < EVENTS) {
                    String text = next % TOPICS + "/" + next;
                    // Its number is its sequence: sent again, it is recognised.
                    alice.publish(handles[next % TOPICS], 1, 0, next / TOPICS + 1, 0, 0, text);
                    alice.readPublished();
                    accepted.add(text);
                    next++;
                }
            } catch (IOException ended) {
                // The broker ends or is not there yet: once more, with the same event.
                Thread.onSpinWait();
            }
        }
        return null;
    }

    private Void beMember(Random random) throws Exception {
        while (!isDone()) {
            try {
                GroupClient client = new GroupClient(broker.get(), "fraud");
                long member = client.share("fraud");
                handle(client, member, random);
                client.raw().close();
            } catch (IOException ended) {
                Thread.onSpinWait();
            }
        }
        return null;
    }

    private boolean isDone() {
        return isPublished.get() && done().containsAll(accepted);
    }

    private void handle(GroupClient client, long member, Random random) throws IOException {
        Map<String, Long> last = new HashMap<>();
        for (int pages = 10 + random.nextInt(60); pages > 0 && !isDone(); pages--) {
            List<GroupClient.Item> items =
                    client.fetch(member, 1 + random.nextInt(40), 50).items();
            Settle.Builder settle = Settle.newBuilder().setMember(member);
            Map<Long, String> handled = new HashMap<>();
            for (GroupClient.Item item : items) {
                String text = item.event().text();
                String before = settled.get(item.position());
                if (before != null) {
                    faults.add("came after it was settled: " + item.position() + " " + text + " / " + before);
                }
                Long offset = last.put(item.topic(), item.event().offset());
                if (item.attempt() == 1
                        && offset != null
                        && offset >= item.event().offset()) {
                    faults.add("out of order: " + item.topic() + " " + offset + " "
                            + item.event().offset());
                }
                if (random.nextInt(20) == 0) {
                    settle.addReleased(range(item.position(), item.position()));
                    break;
                }
                settle.addSettled(range(item.position(), item.position()));
                handled.put(item.position(), text);
            }
            // What is behind a released one is fetched again, or given back at the end.
            int count;
            try {
                client.send(FrameType.SETTLE, settle.build());
                count = client.settled();
            } catch (IOException ended) {
                unknown.addAll(handled.values());
                throw ended;
            }
            if (count != handled.size()) {
                faults.add("settled " + count + " of " + handled.size());
            }
            settled.putAll(handled);
        }
    }
}
