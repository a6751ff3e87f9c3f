package hermod.broker.engine.embedded;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.engine.Asked;
import hermod.broker.engine.ChannelLog;
import hermod.broker.engine.Engine;
import hermod.broker.engine.Entry;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.Retention;
import hermod.broker.engine.StoredEntry;
import hermod.broker.engine.Writer;
import hermod.broker.shard.ShardClock;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the channels' logs of the embedded engine do beyond the contract: over restarts and crashes, and what is removed. */
@Tag("EV-12")
@Timeout(120)
class EmbeddedChannelLogTest {
    private static final int WAIT_S = 20;

    @TempDir
    Path dir;

    private EmbeddedEngine open(Retention.Rules rules) throws IOException {
        return EmbeddedEngine.open(dir, EmbeddedEngineTest.small(), rules);
    }

    private EmbeddedEngine open() throws IOException {
        return open((org, topic) -> Retention.ALL);
    }

    private static ChannelLog.Begun begin(Engine engine, String channel) {
        return Asked.of(answer -> engine.channels().begin("acme", channel, answer));
    }

    private static ChannelLog.Page read(Engine engine, long channel, long from) {
        return Asked.of(answer -> engine.channels().read(channel, from, 1_000, 1 << 20, answer));
    }

    private static long stream(Engine engine, String topic) {
        return Asked.<EventLog.Opened>of(answer -> engine.events().open("acme", topic, 9, answer)).stream();
    }

    private static Entry[] entries(long from, long to) {
        return LongStream.rangeClosed(from, to).mapToObj(Entry::at).toArray(Entry[]::new);
    }

    private static @Nullable Long offset(ChannelLog.Item item) {
        byte[] entry = item.entry();
        return entry == null ? null : StoredEntry.offset(Unpooled.wrappedBuffer(entry), 0);
    }

    /** What is at each position, as "topic offset". */
    private static Map<Long, String> places(Engine engine, long channel) {
        Map<Long, String> places = new HashMap<>();
        ChannelLog.Page page;
        long position = 0;
        do {
            page = read(engine, channel, position);
            position = Math.max(position, page.firstPosition());
            for (ChannelLog.Item item : page.items()) {
                assertThat(item.position()).isEqualTo(position);
                places.put(position, item.topic() + " " + offset(item));
                position++;
            }
        } while (!page.isEnd());
        return places;
    }

    private static void await(String what, BooleanSupplier isSo) {
        long deadlineNs = ShardClock.monotonicNs() + WAIT_S * 1_000_000_000L;
        while (!isSo.getAsBoolean()) {
            assertThat(ShardClock.monotonicNs()).as(what).isLessThan(deadlineNs);
            Thread.onSpinWait();
        }
    }

    @Test
    void positionsAreTheSameAfterARestartAndGoOn() throws Exception {
        Map<Long, String> before;
        long channel;
        long ended;
        try (Engine engine = open()) {
            channel = begin(engine, "chat").channel();
            ended = begin(engine, "news").channel();
            Writer writer = new Writer(engine.events());
            writer.store(stream(engine, "chat:a"), entries(1, 700));
            writer.store(stream(engine, "news:a"), entries(1, 7));
            writer.store(stream(engine, "chat:b"), entries(1, 7));
            assertThat(Asked.<Boolean>of(answer -> engine.channels().end(ended, answer)))
                    .isTrue();
            before = places(engine, channel);
        }
        assertThat(before).hasSize(707);

        try (Engine engine = open()) {
            assertThat(places(engine, channel)).isEqualTo(before);
            Writer writer = new Writer(engine.events());
            // one that is known, and two that are not
            writer.store(stream(engine, "chat:a"), Entry.at(700), Entry.at(702));
            writer.store(stream(engine, "news:a"), Entry.at(8));
            writer.store(stream(engine, "chat:c"), Entry.at(1));

            assertThat(begin(engine, "chat")).isEqualTo(new ChannelLog.Begun(channel, 1, 710));
            assertThat(places(engine, channel))
                    .containsAllEntriesOf(before)
                    .hasSize(709)
                    .containsEntry(708L, "chat:a 702")
                    .containsEntry(709L, "chat:c 1");
            assertThat(begin(engine, "news")).isEqualTo(new ChannelLog.Begun(ended, 8, 8));
            assertThat(begin(engine, "fresh").channel()).isGreaterThan(ended);
        }
    }

    @Test
    void anIndexOfAChannelThatNobodyBeganTakesNoRoom() throws Exception {
        try (EmbeddedEngine engine = open()) {
            begin(engine, "other");
            new Writer(engine.events()).store(stream(engine, "chat:a"), entries(1, 500));
            assertThat(engine.storedPlaces()).isZero();
        }
    }

    /** A process of its own that appends and reads until it is killed, three times over the same directory. */
    @Test
    void whatWasReadAtAPositionIsReadThereAfterAKill() throws Exception {
        Map<Long, String> seen = new HashMap<>();
        Set<String> stored = new HashSet<>();
        for (int round = 1; round <= 3; round++) {
            runAndKill(seen, stored, 6_000 * round);

            try (Engine engine = open()) {
                long channel = begin(engine, "chat").channel();
                Map<Long, String> places = places(engine, channel);
                assertThat(places).containsAllEntriesOf(seen);
                assertThat(places.values()).doesNotHaveDuplicates().containsAll(stored);
                for (int i = 0; i < ChannelChild.STREAM_COUNT; i++) {
                    String topic = "chat:" + i + " ";
                    List<Long> offsets = LongStream.rangeClosed(1, places.size())
                            .mapToObj(places::get)
                            .filter(place -> place.startsWith(topic))
                            .map(place -> Long.parseLong(place.substring(topic.length())))
                            .toList();
                    assertThat(offsets).isSorted();
                    assertThat(offsets).hasSameSizeAs(EmbeddedEngineTest.readAll(engine, stream(engine, topic.trim())));
                }
            }
        }
    }

    private void runAndKill(Map<Long, String> seen, Set<String> stored, int lines)
            throws IOException, InterruptedException {
        Process child = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-opens",
                        "java.base/jdk.internal.misc=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"))
                                .replace(" ", File.pathSeparator),
                        ChannelChild.class.getName(),
                        dir.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        boolean hasRead = false;
        boolean hasStored = false;
        try (BufferedReader out =
                new BufferedReader(new InputStreamReader(child.getInputStream(), StandardCharsets.US_ASCII))) {
            String line;
            int said = 0;
            while ((line = out.readLine()) != null) {
                String[] words = line.split(" ");
                if (words.length == 5 && words[0].equals("read") && words[4].equals(".")) {
                    seen.put(Long.parseLong(words[1]), words[2] + " " + words[3]);
                    hasRead = true;
                } else if (words.length == 4 && words[0].equals("stored") && words[3].equals(".")) {
                    stored.add(words[1] + " " + words[2]);
                    hasStored = true;
                }
                said++;
                if (said >= lines && hasRead && hasStored) {
                    child.toHandle().destroyForcibly();
                }
            }
            assertThat(said).as("lines of the child").isGreaterThanOrEqualTo(lines);
        } finally {
            child.destroyForcibly().waitFor();
        }
    }

    @Test
    void theSameBatchOfTheJournalAgainGivesNoSecondPositions() throws Exception {
        RocksStore store = RocksStore.open(dir, StoreConfig.defaults());
        try (Puts puts = new Puts(store)) {
            puts.add(1, begin(1, 1, "chat:a"));
            for (int i = 0; i < 3; i++) {
                // as Applier does when a look-up of it failed
                puts.add(2, events(1, entries(1, 400)));
            }
            puts.write();
            puts.add(3, events(1, entries(401, 402)));
            puts.write();

            assertThat(StoreKeys.asLong(store.get(store.channel, StoreKeys.channel(StoreKeys.CHANNEL_NEXT, 1))))
                    .isEqualTo(403);
        } finally {
            store.close();
        }
    }

    @Test
    void whatComesInOneBatchWithTheBeginningOfItsChannelIsIn() throws Exception {
        RocksStore store = RocksStore.open(dir, StoreConfig.defaults());
        try (Puts puts = new Puts(store)) {
            puts.add(1, Unpooled.wrappedBuffer(events(1, entries(1, 3)), begin(1, 1, "chat:a")));
            puts.add(2, events(1, entries(3, 5)));
            puts.write();

            assertThat(StoreKeys.asLong(store.get(store.channel, StoreKeys.channel(StoreKeys.CHANNEL_NEXT, 1))))
                    .isEqualTo(6);
        } finally {
            store.close();
        }
    }

    /** Records that make a stream, and begin its channel. */
    private static ByteBuf begin(long channel, long stream, String topic) {
        ByteBuf records = Unpooled.buffer();
        ByteBuf payload = Unpooled.buffer();
        StoreRecords.writeStream(payload, stream, 9, "acme", topic);
        JournalRecords.write(records, StoreRecords.STREAM, payload, 0, payload.readableBytes());
        payload.clear();
        StoreRecords.writeChannel(payload, channel, true, "acme", ChannelLog.channelOf(topic));
        JournalRecords.write(records, StoreRecords.CHANNEL, payload, 0, payload.readableBytes());
        return records;
    }

    private static ByteBuf events(long stream, Entry... entries) {
        ByteBuf records = Unpooled.buffer();
        ByteBuf payload = Unpooled.buffer().writeLongLE(stream);
        for (Entry entry : entries) {
            entry.write(payload);
        }
        JournalRecords.write(records, StoreRecords.EVENTS, payload, 0, payload.readableBytes());
        return records;
    }

    @Test
    void whatRetentionHasRemovedIsNullAndGoesWhenItIsAtTheFront() throws Exception {
        Retention newest = new Retention(Long.MAX_VALUE, 10, Long.MAX_VALUE);
        try (EmbeddedEngine engine = open((org, topic) -> topic.equals("chat:first") ? Retention.ALL : newest)) {
            long channel = begin(engine, "chat").channel();
            long old = stream(engine, "chat:old");
            Writer writer = new Writer(engine.events());
            writer.store(old, entries(1, 400));
            writer.store(stream(engine, "chat:first"), Entry.at(1));
            writer.store(old, entries(401, 500));

            // a round later: the front is gone, and nothing behind what is kept
            await("a round of retention", () -> read(engine, channel, 0).firstPosition() == 401);
            List<ChannelLog.Item> left =
                    new ArrayList<>(read(engine, channel, 0).items());
            assertThat(left).hasSize(101);
            assertThat(offset(left.get(0))).isEqualTo(1);
            assertThat(left.subList(1, 91))
                    .allMatch(item -> item.entry() == null && item.topic().equals("chat:old"));
            assertThat(left.subList(91, 101).stream().map(EmbeddedChannelLogTest::offset))
                    .containsExactlyElementsOf(
                            LongStream.rangeClosed(491, 500).boxed().toList());
            assertThat(read(engine, channel, 3).firstPosition()).isEqualTo(401);
        }
    }

    @Test
    void whatIsReleasedOrEndedIsRemovedFromTheFront() throws Exception {
        long channel;
        try (EmbeddedEngine engine = open()) {
            channel = begin(engine, "chat").channel();
            Writer writer = new Writer(engine.events());
            long stream = stream(engine, "chat:a");
            // values of one place each, so that ranges are deleted too
            for (int offset = 1; offset <= 300; offset++) {
                writer.store(stream, Entry.at(offset));
            }
            writer.store(stream, entries(301, 600));
            engine.channels().release(channel, 400);

            await("what was released to go", () -> read(engine, channel, 0).firstPosition() == 400);
            assertThat(places(engine, channel)).hasSize(201).containsEntry(400L, "chat:a 400");
            assertThat(engine.storedPlaces()).isLessThan(4);
        }

        try (EmbeddedEngine engine = open()) {
            assertThat(places(engine, channel)).hasSize(201).containsEntry(400L, "chat:a 400");
            engine.channels().release(channel, 10_000);
            await("all that was released to go", () -> read(engine, channel, 0).firstPosition() == 601);
            assertThat(engine.storedPlaces()).isZero();
            Writer writer = new Writer(engine.events());
            writer.store(stream(engine, "chat:a"), entries(601, 605));
            await("what is new to go", () -> read(engine, channel, 0).firstPosition() == 606);
            assertThat(begin(engine, "chat")).isEqualTo(new ChannelLog.Begun(channel, 606, 606));
        }

        try (EmbeddedEngine engine = open()) {
            Writer writer = new Writer(engine.events());
            writer.store(stream(engine, "chat:a"), entries(606, 610));
            assertThat(places(engine, channel)).hasSize(5).containsEntry(606L, "chat:a 606");
            assertThat(Asked.<Boolean>of(answer -> engine.channels().end(channel, answer)))
                    .isTrue();
            await("what was ended to go", () -> engine.storedPlaces() == 0);
        }
    }

    @Test
    void aLogHasNoMorePlacesThanItMay() throws Exception {
        long limit = 10_000;
        EmbeddedConfig config = new EmbeddedConfig(
                EmbeddedEngineTest.small().journal(),
                new StoreConfig(32 << 20, 1 << 20, 4 << 20, 2, 4_096, 20_000, 1, 2, 1L << 30, limit));
        try (EmbeddedEngine engine = EmbeddedEngine.open(dir, config, (org, topic) -> Retention.ALL)) {
            long channel = begin(engine, "chat").channel();
            Writer writer = new Writer(engine.events());
            long stream = stream(engine, "chat:a");
            for (long offset = 1; offset <= limit + 2_000; offset += 500) {
                writer.store(stream, entries(offset, offset + 499));
            }

            await("the oldest to go", () -> read(engine, channel, 0).firstPosition() == 2_001);
            assertThat(offset(read(engine, channel, 0).items().get(0))).isEqualTo(2_001);
            assertThat(EmbeddedEngineTest.readAll(engine, stream)).hasSize((int) limit + 2_000);
        }
    }
}
