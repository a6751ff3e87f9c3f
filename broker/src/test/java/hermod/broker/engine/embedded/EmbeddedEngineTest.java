package hermod.broker.engine.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import hermod.broker.engine.Asked;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineContract;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.Entry;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.KeyedState;
import hermod.broker.engine.Retention;
import hermod.broker.engine.Writer;
import hermod.broker.shard.ShardClock;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedEngineTest extends EngineContract {
    private static final int WAIT_S = 60;

    @TempDir
    Path dir;

    @Override
    protected Engine open() throws Exception {
        return EmbeddedEngine.open(dir.resolve("contract"), EmbeddedConfig.defaults(), (org, topic) -> Retention.ALL);
    }

    /** Flushes and gives journal files back every MiB, and looks at retention every second. */
    static EmbeddedConfig small() {
        return new EmbeddedConfig(
                new JournalConfig(1 << 20, 8 << 20, 65_536, 1 << 20, 1 << 20, 65_536, 500, 100, 4),
                new StoreConfig(32 << 20, 1 << 20, 4 << 20, 2, 4_096, 20_000, 1, 2, 1L << 30, 10_000_000));
    }

    private EmbeddedEngine openSmall(Retention rule) throws IOException {
        return EmbeddedEngine.open(dir.resolve("small"), small(), (org, topic) -> rule);
    }

    private static EventLog.Opened open(Engine engine, String topic) {
        return Asked.of(answer -> engine.events().open("acme", topic, 9, answer));
    }

    private static EventLog.Page read(Engine engine, long stream, long from) {
        return Asked.of(answer -> engine.events()
                .read(new EventLog.Order(stream, from, Long.MAX_VALUE, false, NO_LIMIT, 1 << 20), answer));
    }

    static List<Entry> readAll(Engine engine, long stream) {
        List<Entry> all = new ArrayList<>();
        EventLog.Page page;
        do {
            page = read(
                    engine, stream, all.isEmpty() ? 0 : all.get(all.size() - 1).offset() + 1);
            all.addAll(Entry.of(page));
        } while (!page.isEnd());
        return all;
    }

    @Test
    void whatWasStoredIsThereWhenTheDirectoryIsOpenedAgain() throws Exception {
        Entry[] entries = {
            Entry.at(1).of(5, 1).by(9, 1).key("a"),
            Entry.at(2).of(5, 2).by(9, 2),
            Entry.at(3).by(9, 3).tombstone("a")
        };
        EventLog.Opened before;
        long version;
        try (Engine engine = openSmall(Retention.ALL)) {
            long stream = open(engine, "kept").stream();
            Writer writer = new Writer(engine.events());
            writer.store(stream, entries);
            long ticket = writer.appender().reserve(false, stream, 1_000);
            writer.appender().flush();
            writer.await(false, ticket);
            version = putCounter(engine, "1").version();
            before = open(engine, "kept");
        }

        try (Engine engine = openSmall(Retention.ALL)) {
            assertThat(open(engine, "kept")).isEqualTo(before);
            assertThat(before.nextOffset()).isEqualTo(1_000);
            assertThat(readAll(engine, before.stream())).containsExactly(entries);
            assertThat(open(engine, "another").stream()).isGreaterThan(before.stream());
            EventLog.Recalled recalled = Asked.of(answer -> engine.events().recall(before.stream(), 5, 9, answer));
            assertThat(recalled.sequences()).containsExactly(1, 2);
            assertThat(recalled.authorOrdinal()).isEqualTo(3);
            assertThat(counter(engine)).isEqualTo("1");
            assertThat(putCounter(engine, "2").version()).isGreaterThan(version);
        }
    }

    static KeyedState.Outcome putCounter(Engine engine, String value) {
        return Asked.of(answer -> engine.state()
                .put(
                        "space",
                        "counter".getBytes(StandardCharsets.UTF_8),
                        KeyedState.ANY_VERSION,
                        value.getBytes(StandardCharsets.UTF_8),
                        KeyedState.NEVER_EXPIRES,
                        answer));
    }

    private static String counter(Engine engine) {
        KeyedState.Value value =
                Asked.of(answer -> engine.state().get("space", "counter".getBytes(StandardCharsets.UTF_8), answer));
        return new String(value.bytes(), StandardCharsets.UTF_8);
    }

    @Test
    void aDirectoryHasOneEngineAtATime() throws Exception {
        Engine first = openSmall(Retention.ALL);
        try {
            assertThatThrownBy(() -> openSmall(Retention.ALL))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("in use")
                    .hasMessageContaining(dir.resolve("small").toString());
        } finally {
            first.close();
        }
        openSmall(Retention.ALL).close();
    }

    /** A process of its own that appends until it is killed, three times over the same directory: what it was told is there, in order, and once. */
    @Test
    void whatWasAcknowledgedSurvivesAKill() throws Exception {
        Map<Integer, List<Long>> acknowledged = new HashMap<>();
        for (int round = 1; round <= 3; round++) {
            long counted = runAndKill(acknowledged, 3_000 * round);

            try (Engine engine = openSmall(Retention.ALL)) {
                for (int i = 0; i < EngineChild.STREAM_COUNT; i++) {
                    EventLog.Opened opened = open(engine, "topic" + i);
                    List<Entry> entries = readAll(engine, opened.stream());
                    List<Long> offsets = entries.stream().map(Entry::offset).toList();
                    assertThat(offsets).isSorted().doesNotHaveDuplicates();
                    assertThat(offsets).containsAll(acknowledged.get(i));
                    assertThat(opened.epoch()).isEqualTo(EngineChild.EPOCH);
                    assertThat(opened.nextOffset()).isEqualTo(offsets.get(offsets.size() - 1) + 1);
                    for (Entry entry : entries) {
                        assertThat(entry).isEqualTo(EngineChild.entry(entry.offset()));
                    }
                    EventLog.Recalled recalled =
                            Asked.of(answer -> engine.events().recall(opened.stream(), 5, 9, answer));
                    int from = Math.max(0, offsets.size() - 1_024);
                    assertThat(recalled.offsets())
                            .containsExactly(offsets.subList(from, offsets.size()).stream()
                                    .mapToLong(Long::longValue)
                                    .toArray());
                    assertThat(recalled.authorOrdinal()).isEqualTo(opened.nextOffset() - 1);
                }
                assertThat(Long.parseLong(counter(engine))).isGreaterThanOrEqualTo(counted);
            }
        }
    }

    /** @return the last counter that was acknowledged. */
    private long runAndKill(Map<Integer, List<Long>> acknowledged, int lines) throws IOException, InterruptedException {
        Process child = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-opens",
                        "java.base/jdk.internal.misc=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"))
                                .replace(" ", File.pathSeparator),
                        EngineChild.class.getName(),
                        dir.resolve("small").toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        long counted = 0;
        try (BufferedReader out =
                new BufferedReader(new InputStreamReader(child.getInputStream(), StandardCharsets.US_ASCII))) {
            String line;
            int read = 0;
            while ((line = out.readLine()) != null) {
                String[] words = line.split(" ");
                if (words.length == 2 && words[0].equals("counter")) {
                    counted = Long.parseLong(words[1]);
                } else if (words.length == 3 && words[2].equals(".")) {
                    acknowledged
                            .computeIfAbsent(Integer.parseInt(words[0]), any -> new ArrayList<>())
                            .add(Long.parseLong(words[1]));
                }
                if (++read == lines) {
                    // not the process's own method, which closes what it has still to say
                    child.toHandle().destroyForcibly();
                }
            }
            assertThat(read).as("lines of the child").isGreaterThanOrEqualTo(lines);
        } finally {
            child.destroyForcibly().waitFor();
        }
        return counted;
    }

    @Test
    void whatIsDamagedIsToldAndNotHandedOut() throws Exception {
        int count = 5_000;
        long stream;
        try (Engine engine = openSmall(Retention.ALL)) {
            stream = open(engine, "damaged").stream();
            Writer writer = new Writer(engine.events());
            for (long from = 1; from <= count; from += 500) {
                writer.store(stream, entries(from, from + 499));
            }
        }
        flipBits();

        try (Engine engine = openSmall(Retention.ALL)) {
            int wholeReads = 0;
            int damagedReads = 0;
            for (long offset = 1; offset <= count; offset += 100) {
                long from = offset;
                Asked<EventLog.Page> asked = Asked.asked(answer -> engine.events()
                        .read(new EventLog.Order(stream, from, from + 100, false, NO_LIMIT, NO_LIMIT), answer));
                if (asked.fault() == null) {
                    wholeReads++;
                    assertThat(Entry.of(asked.result())).containsExactly(entries(from, from + 99));
                } else {
                    damagedReads++;
                    assertThat(asked.fault()).isEqualTo(EngineFault.CORRUPT);
                }
            }
            assertThat(damagedReads).isPositive();
            assertThat(wholeReads).isPositive();
            assertThat(engine.status().fault()).isNull();
            assertThat(engine.status().reason()).contains(damagedReads + " reads met damaged data");

            long other = open(engine, "other").stream();
            new Writer(engine.events()).store(other, entries(1, 500));
            assertThat(readAll(engine, other)).containsExactly(entries(1, 500));
        }
    }

    /** One bit in the middle of the largest file: an event's. */
    private void flipBits() throws IOException {
        Path largest;
        try (Stream<Path> files = Files.list(dir.resolve("small").resolve("store"))) {
            largest = files.filter(file -> file.toString().endsWith(".sst"))
                    .max(Comparator.comparingLong(file -> file.toFile().length()))
                    .orElseThrow();
        }
        try (RandomAccessFile file = new RandomAccessFile(largest.toFile(), "rw")) {
            long at = file.length() / 2;
            file.seek(at);
            int was = file.read();
            file.seek(at);
            file.write(was ^ 4);
        }
    }

    @Test
    void retentionRemovesFromTheFrontBesideAppendsAndReads() throws Exception {
        try (EmbeddedEngine engine = openSmall(new Retention(Long.MAX_VALUE, 100, Long.MAX_VALUE))) {
            long stream = open(engine, "short").stream();
            Writer writer = new Writer(engine.events());
            long offset = 0;
            long deadlineNs = ShardClock.monotonicNs() + WAIT_S * 1_000_000_000L;
            // until retention was at work twice, with appends all the while
            while (engine.status().removedEvents() < 20_000 || offset < 30_000) {
                assertThat(ShardClock.monotonicNs()).as("time").isLessThan(deadlineNs);
                Entry[] next = new Entry[500];
                for (int i = 0; i < next.length; i++) {
                    offset++;
                    next[i] = Entry.at(offset).of(5, offset).by(9, offset).key("key" + offset % 7);
                }
                writer.store(stream, next);
                // In one page: between two, retention may go on.
                EventLog.Page page = Asked.of(answer -> engine.events()
                        .read(new EventLog.Order(stream, 0, Long.MAX_VALUE, false, NO_LIMIT, NO_LIMIT), answer));
                List<Long> offsets = Entry.of(page).stream().map(Entry::offset).toList();
                assertThat(offsets.get(offsets.size() - 1)).isEqualTo(offset);
                assertThat(offsets).isSorted();
                assertThat(offset - offsets.get(0) + 1).as("no hole").isEqualTo(offsets.size());
            }
            awaitFirstOffset(engine, stream, offset - 99);

            assertThat(readAll(engine, stream)).hasSize(100);
            EventLog.Opened opened = open(engine, "short");
            assertThat(opened).isEqualTo(new EventLog.Opened(stream, 9, offset - 99, offset + 1, offset, offset));
            EventLog.Recalled recalled = Asked.of(answer -> engine.events().recall(stream, 5, 9, answer));
            assertThat(recalled.offsets()).hasSize(100);
            assertThat(recalled.authorOrdinal()).isEqualTo(offset);
            assertThat(engine.status().removedEvents()).isEqualTo(offset - 100);
            EventLog.Page keys =
                    Asked.of(answer -> engine.events().lastOfKeys(stream, new byte[0], NO_LIMIT, NO_LIMIT, answer));
            assertThat(keys.count()).isEqualTo(7);
            EventLog.Page back = Asked.of(answer -> engine.events()
                    .read(new EventLog.Order(stream, Long.MAX_VALUE, 0, true, NO_LIMIT, NO_LIMIT), answer));
            assertThat(back.count()).isEqualTo(100);
            assertThat(back.firstOffset()).isEqualTo(offset - 99);
        }
    }

    private static void awaitFirstOffset(Engine engine, long stream, long offset) {
        long deadlineNs = ShardClock.monotonicNs() + WAIT_S * 1_000_000_000L;
        while (read(engine, stream, 0).firstOffset() != offset) {
            assertThat(ShardClock.monotonicNs())
                    .as("first offset %s, not %s", read(engine, stream, 0).firstOffset(), offset)
                    .isLessThan(deadlineNs);
            Thread.onSpinWait();
        }
    }

    @Test
    void aStreamWhoseEventsAreAllTooOldGoesOnWhereItWas() throws Exception {
        long stream;
        try (EmbeddedEngine engine = openSmall(new Retention(3_600_000_000L, Long.MAX_VALUE, Long.MAX_VALUE))) {
            stream = open(engine, "old").stream();
            Writer writer = new Writer(engine.events());
            writer.store(stream, entries(1, 300));
            awaitFirstOffset(engine, stream, 301);
            assertThat(readAll(engine, stream)).isEmpty();
            assertThat(Asked.<Long>of(answer -> engine.events().offsetAt(stream, 0, answer)))
                    .isEqualTo(301);
        }

        try (Engine engine = openSmall(Retention.ALL)) {
            assertThat(open(engine, "old")).isEqualTo(new EventLog.Opened(stream, 9, 301, 301, 300, 300));
            new Writer(engine.events()).store(stream, Entry.at(305));
            assertThat(open(engine, "old")).isEqualTo(new EventLog.Opened(stream, 9, 301, 306, 305, 305));
        }
    }

    @Test
    void whatHasExpiredGoesFromTheFrontWhereItIsOldEnough() throws Exception {
        long hourUs = 3_600_000_000L;
        try (EmbeddedEngine engine = openSmall(new Retention(Long.MAX_VALUE, Long.MAX_VALUE, 1_000_000, hourUs))) {
            Map<String, Long> told = new ConcurrentHashMap<>();
            engine.onRemoved((org, topic, firstOffset) -> told.put(topic, firstOffset));
            long stream = open(engine, "expired").stream();
            new Writer(engine.events())
                    .store(
                            stream,
                            Entry.at(1).expired(true),
                            Entry.at(2).key("k".repeat(128)).expired(true),
                            Entry.at(3).expired(false),
                            Entry.at(4).expired(true));
            long young = open(engine, "young").stream();
            new Writer(engine.events())
                    .store(
                            young,
                            Entry.at(1).expired(true),
                            Entry.at(2).storedAt(ShardClock.wallUs()).expired(true));

            awaitFirstOffset(engine, young, 2);
            awaitFirstOffset(engine, stream, 3);
            await().untilAsserted(
                            () -> assertThat(told).containsOnly(Map.entry("expired", 3L), Map.entry("young", 2L)));
            assertThat(readAll(engine, stream)).extracting(Entry::offset).containsExactly(3L, 4L);
            assertThat(engine.status().removedEvents()).isEqualTo(3);
        }
    }

    @Test
    void theLastEntryOfAKeyStaysWhateverItsAgeButGoesWithItsEventWhereTheKeyDoesNotExistAnyMore() throws Exception {
        try (EmbeddedEngine engine = openSmall(new Retention(Long.MAX_VALUE, 2, Long.MAX_VALUE))) {
            long stream = open(engine, "keys").stream();
            new Writer(engine.events())
                    .store(
                            stream,
                            Entry.at(1).key("deleted"),
                            Entry.at(2).tombstone("deleted"),
                            Entry.at(3).tombstone("again"),
                            Entry.at(4).key("again").expired(false),
                            Entry.at(5).key("expired").expired(true),
                            Entry.at(6).tombstone("kept"),
                            Entry.at(7).tombstone("fresh"),
                            Entry.at(8).key("kept").expired(false));

            awaitFirstOffset(engine, stream, 7);

            EventLog.Page keys =
                    Asked.of(answer -> engine.events().lastOfKeys(stream, new byte[0], NO_LIMIT, NO_LIMIT, answer));
            assertThat(Entry.of(keys)).extracting(Entry::offset).containsExactly(4L, 8L);
            assertThat(engine.storedKeys())
                    .as("those two, and the deletion whose event is kept")
                    .isEqualTo(3);
        }
    }

    @Test
    void retentionKeepsNoMoreBytesThanItMay() throws Exception {
        int entryBytes = Entry.at(1_000).bytes();
        try (EmbeddedEngine engine =
                openSmall(new Retention(Long.MAX_VALUE, Long.MAX_VALUE, 10L * entryBytes + entryBytes / 2))) {
            long stream = open(engine, "bytes").stream();
            new Writer(engine.events()).store(stream, entries(1_000, 1_099));

            awaitFirstOffset(engine, stream, 1_090);

            assertThat(readAll(engine, stream)).containsExactly(entries(1_090, 1_099));
        }
    }

    @Test
    void theJournalIsGivenBackWhenTheStoreIsFlushed() throws Exception {
        try (EmbeddedEngine engine = openSmall(Retention.ALL)) {
            long stream = open(engine, "much").stream();
            Writer writer = new Writer(engine.events());
            String text = "x".repeat(1_000);
            long limit = small().journal().limitBytes();
            // four times what the journal may have
            for (long offset = 1; offset * text.length() < 4 * limit; offset += 50) {
                Entry[] next = new Entry[50];
                for (int i = 0; i < next.length; i++) {
                    next[i] = Entry.at(offset + i).text(text);
                }
                long deadlineNs = ShardClock.monotonicNs() + WAIT_S * 1_000_000_000L;
                // While the store is behind, the journal at its limit refuses: it must take the events in the end.
                EngineFault refusal = EngineFault.BUSY;
                while (refusal == EngineFault.BUSY) {
                    assertThat(ShardClock.monotonicNs()).as("time").isLessThan(deadlineNs);
                    if (writer.appender().hasRoom(false, 60_000)) {
                        refusal = writer.outcome(false, writer.append(false, stream, next));
                    }
                }
                assertThat(refusal).isNull();
            }
            assertThat(engine.status().journalBytes()).isLessThanOrEqualTo(limit + 65_536);
        }
    }

    @Test
    void valuesWhoseTimeIsOverAreRemoved() throws Exception {
        try (EmbeddedEngine engine = openSmall(Retention.ALL)) {
            Asked.<KeyedState.Outcome>of(answer ->
                    engine.state().put("s", new byte[] {1}, KeyedState.ANY_VERSION, new byte[100], 1, answer));

            long deadlineNs = ShardClock.monotonicNs() + WAIT_S * 1_000_000_000L;
            while (engine.storedValues() > 0) {
                assertThat(ShardClock.monotonicNs()).as("time").isLessThan(deadlineNs);
                Thread.onSpinWait();
            }
        }
    }

    @Test
    void theNamesOfTheThreadsSayWhoseTheyAre() {
        assertThat(Thread.getAllStackTraces().keySet().stream()
                        .map(Thread::getName)
                        .filter(name -> name.startsWith("hermod-store") || name.equals("hermod-journal"))
                        .collect(Collectors.toSet()))
                .contains(
                        "hermod-journal",
                        "hermod-store",
                        "hermod-store-changes",
                        "hermod-store-upkeep",
                        "hermod-store-retention");
    }
}
