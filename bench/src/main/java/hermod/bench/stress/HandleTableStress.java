package hermod.bench.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import hermod.broker.topic.ChannelPolicy;
import hermod.broker.topic.Channels;
import hermod.broker.topic.ChunkPool;
import hermod.broker.topic.ChunkTable;
import hermod.broker.topic.Deduplication;
import hermod.broker.topic.HandleTable;
import hermod.broker.topic.HomeTopics;
import hermod.broker.topic.ReplayBudget;
import hermod.broker.topic.Topic;
import hermod.broker.topic.TopicConfig;
import hermod.broker.topic.TopicLog;
import hermod.broker.transport.Transport;
import hermod.protocol.TopicName;
import java.util.Map;
import java.util.Objects;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Description;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.IIII_Result;

/** {@code HandleTable}: two homes write their own slots of one segment, which neither has made before, and look the other's up. */
@JCStressTest
@Description("Two shards open a topic each, both in a segment that is not there yet, and look up the other's.")
@Outcome(
        id = "[01], [01], 1, 1",
        expect = ACCEPTABLE,
        desc = "Each was found whole or not yet, and in the end both are.")
@Outcome(expect = FORBIDDEN, desc = "A topic was lost with a segment, or found half made (9).")
@State
public class HandleTableStress {
    private final Meeting meeting = new Meeting();
    private static final Channels CHANNELS = new Channels(Map.of("chat", ChannelPolicy.defaults()));
    private static final TopicName NAME = TopicName.of("chat:room");

    /** The first generation of the first index of each home. */
    private static final int[] FIRST_HANDLE = {1 << 22, 1 << 22 | 1};

    private final HandleTable handles = new HandleTable();
    private final HomeTopics[] homes = {home(0), home(1)};

    private HomeTopics home(int shard) {
        TopicConfig config = TopicConfig.defaults();
        ChunkPool chunks = new ChunkPool(Transport.allocator(), new ChunkTable(), config.chunkBytes());
        return new HomeTopics(
                shard, 2, config, handles, chunks, new ReplayBudget(config, 1), new Deduplication(config));
    }

    private int open(int shard) {
        TopicLog log = homes[shard].open("acme", NAME, Objects.requireNonNull(CHANNELS.of("chat")), 0);
        if (log == null || log.topic().handle() != FIRST_HANDLE[shard]) {
            throw new IllegalStateException("another handle than expected");
        }
        return find(1 - shard);
    }

    private int find(int shard) {
        Topic topic = handles.of(FIRST_HANDLE[shard]);
        if (topic == null) {
            return 0;
        }
        boolean isWhole = topic.homeShard() == shard && topic.name() == NAME && topic.epoch() != 0;
        return isWhole ? 1 : 9;
    }

    @Actor
    public void first(IIII_Result result) {
        meeting.arrive();
        result.r1 = open(0);
    }

    @Actor
    public void second(IIII_Result result) {
        meeting.arrive();
        result.r2 = open(1);
    }

    @Arbiter
    public void after(IIII_Result result) {
        result.r3 = find(0);
        result.r4 = find(1);
    }
}
