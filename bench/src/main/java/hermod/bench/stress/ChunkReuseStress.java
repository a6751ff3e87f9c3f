package hermod.bench.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import hermod.broker.topic.BufferView;
import hermod.broker.topic.ChannelPolicy;
import hermod.broker.topic.Channels;
import hermod.broker.topic.ChunkPool;
import hermod.broker.topic.ChunkTable;
import hermod.broker.topic.Deduplication;
import hermod.broker.topic.HandleTable;
import hermod.broker.topic.HomeTopics;
import hermod.broker.topic.IncomingEvent;
import hermod.broker.topic.ReplayBudget;
import hermod.broker.topic.RunSink;
import hermod.broker.topic.TopicConfig;
import hermod.broker.topic.TopicLog;
import hermod.broker.transport.Transport;
import hermod.protocol.TopicName;
import hermod.protocol.frame.Entry;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.Map;
import java.util.Objects;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Description;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/** {@code ChunkPool}: the home writes a chunk again only when the subscriber that read it on its own shard has let go of it. */
@JCStressTest
@Description("A subscriber's shard reads a run and lets go of its chunk while the home goes on to the next chunks.")
@Outcome(id = "1", expect = ACCEPTABLE, desc = "The subscriber read what was written for it.")
@Outcome(expect = FORBIDDEN, desc = "The subscriber read bytes of a later event.")
@State
public class ChunkReuseStress {
    private final Meeting meeting = new Meeting();
    private static final Channels CHANNELS = new Channels(Map.of("chat", ChannelPolicy.defaults()));
    private static final TopicName NAME = TopicName.of("chat:room");
    private static final TopicConfig CONFIG = TopicConfig.defaults();

    /** One event fills a chunk. */
    private static final int CHUNK_BYTES = 1_024;

    private static final int PAYLOAD_BYTES = 800;

    private static final RunSink NOWHERE = (log, chunk, run) -> {};
    private static final ByteBuf[] ENTRIES = {entry(1), entry(2)};

    private final HomeTopics home;
    private final TopicLog log;
    private final IncomingEvent event = new IncomingEvent();
    private ByteBuf memory = Unpooled.EMPTY_BUFFER;
    private int to;

    public ChunkReuseStress() {
        ChunkPool chunks = new ChunkPool(Transport.allocator(), new ChunkTable(), CHUNK_BYTES);
        home = new HomeTopics(
                0, 1, CONFIG, new HandleTable(), chunks, new ReplayBudget(CONFIG, 1), new Deduplication(CONFIG));
        log = Objects.requireNonNull(home.open("acme", NAME, Objects.requireNonNull(CHANNELS.of("chat")), 0));
        event.source = new byte[] {'u'};
        append(1);
        log.handOver((any, chunk, run) -> {
            memory = chunk.memory().retain();
            to = log.runEnd();
        });
    }

    private static ByteBuf entry(int number) {
        ByteBuf entry = Unpooled.buffer();
        Entry.writeFixed(entry, 1, 0, 0, 0);
        while (entry.writerIndex() < Entry.FIXED_BYTES + PAYLOAD_BYTES) {
            entry.writeLongLE(number);
        }
        return entry;
    }

    private void append(int number) {
        ByteBuf entry = ENTRIES[number - 1];
        BufferView.lay(event.in, entry, 0, entry.writerIndex());
        event.entryAt = 0;
        event.entryBytes = entry.writerIndex();
        log.append(event, 0, NOWHERE);
    }

    @Actor
    public void home() {
        meeting.arrive();
        append(2);
        append(2);
        append(2);
    }

    @Actor
    public void subscriber(I_Result result) {
        meeting.arrive();
        boolean isWhole = true;
        for (int at = to - PAYLOAD_BYTES; at < to; at += Long.BYTES) {
            isWhole &= memory.getLongLE(at) == 1;
        }
        memory.release();
        result.r1 = isWhole ? 1 : 9;
    }

    @Arbiter
    public void after() {
        home.close();
    }
}
