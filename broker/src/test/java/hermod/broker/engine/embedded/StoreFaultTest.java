package hermod.broker.engine.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import hermod.broker.engine.Asked;
import hermod.broker.engine.ChannelLog;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.Entry;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.KeyedState;
import hermod.broker.engine.Retention;
import hermod.broker.engine.Writer;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.rocksdb.CompactRangeOptions;
import org.rocksdb.CompactRangeOptions.BottommostLevelCompaction;
import org.rocksdb.RocksDBException;
import org.rocksdb.Status;

/** The store behind the journal is slow, can't be written, or is damaged, while the journal's own files are well. */
@Tag("DL-4")
@Timeout(120)
class StoreFaultTest {
    private static final int NO_LIMIT = Integer.MAX_VALUE;
    private static final int TEXT_BYTES = 50_000;

    @TempDir
    Path temp;

    private Path dir() {
        return temp.resolve("engine");
    }

    private EmbeddedEngine open() throws IOException {
        return EmbeddedEngine.open(dir(), StoreFaultMain.config(), (org, topic) -> Retention.ALL);
    }

    private static long stream(Engine engine, String topic) {
        return Asked.<EventLog.Opened>of(answer -> engine.events().open("acme", topic, 9, answer)).stream();
    }

    private static Entry large(long offset) {
        return Entry.at(offset).text("x".repeat(TEXT_BYTES));
    }

    private static Asked<EventLog.Page> read(Engine engine, long stream, long from, long end) {
        return Asked.asked(answer ->
                engine.events().read(new EventLog.Order(stream, from, end, false, NO_LIMIT, NO_LIMIT), answer));
    }

    /** Appends large events until one is refused. @return the last offset that was stored. */
    private static long storeUntil(EngineFault refusal, Writer writer, long stream) {
        for (long offset = 1; ; offset++) {
            EngineFault fault = outcome(writer, stream, large(offset));
            if (fault != null) {
                assertThat(fault).isEqualTo(refusal);
                return offset - 1;
            }
        }
    }

    private static EngineFault outcome(Writer writer, long stream, Entry entry) {
        return writer.appender().hasRoom(false, entry.bytes())
                ? writer.outcome(false, writer.append(false, stream, entry))
                : EngineFault.BUSY;
    }

    private static void storeInTheEnd(Writer writer, long stream, Entry entry) {
        if (outcome(writer, stream, entry) != null) {
            await().until(() -> outcome(writer, stream, entry) == null);
        }
    }

    private static void assertAllIsThere(Engine engine, long stream, long last) {
        for (long offset = 1; offset <= last; offset += 100) {
            long from = offset;
            long end = Math.min(last + 1, offset + 100);
            await().ignoreExceptions()
                    .until(() -> read(engine, stream, from, end).fault() == null);
            List<Entry> entries = Entry.of(read(engine, stream, from, end).result());
            assertThat(entries.stream().map(Entry::offset)).hasSize((int) (end - from));
            assertThat(entries.get(0)).isEqualTo(large(from));
        }
    }

    /** A store that writes nothing to its disk for a while takes four buffers' worth; then the queue fills, then the journal. */
    @Test
    @Tag("SA-7")
    void safetyIsStoredWhileTheStoreIsBehindAndAllElseIsReadWhenItCaughtUp() throws Exception {
        try (EmbeddedEngine engine = open()) {
            long much = stream(engine, "much");
            long safety = stream(engine, "safety");
            Writer writer = new Writer(engine.events());
            long last;
            try (LiveStore.Lease lease = engine.store().lease(1_000)) {
                lease.store().db().pauseBackgroundWork();
                try {
                    last = storeUntil(EngineFault.BUSY, writer, much);
                    for (int offset = 1; offset <= 20; offset++) {
                        writer.await(true, writer.append(true, safety, Entry.at(offset)));
                    }
                    assertThat(read(engine, much, 1, 2).fault()).isEqualTo(EngineFault.BUSY);
                } finally {
                    lease.store().db().continueBackgroundWork();
                }
            }
            storeInTheEnd(writer, much, large(last + 1));
            assertAllIsThere(engine, much, last + 1);
            assertThat(Entry.of(read(engine, safety, 1, 100).result())).hasSize(20);
            assertThat(engine.status().reason()).isEmpty();
        }
    }

    private static void fill(Engine engine, String topic) {
        long stream = stream(engine, topic);
        Writer writer = new Writer(engine.events());
        for (long offset = 1; offset <= 100; offset++) {
            storeInTheEnd(writer, stream, large(offset));
        }
    }

    /** One bit in the middle of the largest file: an event's. */
    private void flipABit() throws IOException {
        try (Stream<Path> files = Files.list(dir().resolve("store"));
                RandomAccessFile file = new RandomAccessFile(
                        files.filter(each -> each.toString().endsWith(".sst"))
                                .max(Comparator.comparingLong(
                                        each -> each.toFile().length()))
                                .orElseThrow()
                                .toFile(),
                        "rw")) {
            long at = file.length() / 2;
            file.seek(at);
            int was = file.read();
            file.seek(at);
            file.write(was ^ 4);
        }
    }

    @Test
    void aMergeOfFilesThatMeetsDamageStopsNothingElse() throws Exception {
        try (Engine engine = open()) {
            fill(engine, "damaged");
        }
        flipABit();

        try (EmbeddedEngine engine = open()) {
            long damaged = stream(engine, "damaged");
            long well = stream(engine, "chat:well");
            List<Long> grown = Collections.synchronizedList(new ArrayList<>());
            engine.channels().listener((channel, next) -> grown.add(next));
            ChannelLog.Begun log = Asked.of(answer -> engine.channels().begin("acme", "chat", answer));
            Writer writer = new Writer(engine.events());
            storeInTheEnd(writer, well, large(1));
            long version = EmbeddedEngineTest.putCounter(engine, "1").version();
            // once more after each time: what begins again must not begin to fail again
            for (int round = 0; round < 2; round++) {
                try (LiveStore.Lease lease = engine.store().lease(1_000);
                        CompactRangeOptions all = new CompactRangeOptions()
                                .setBottommostLevelCompaction(BottommostLevelCompaction.kForce)) {
                    RocksStore store = lease.store();
                    assertThatThrownBy(() -> store.db().compactRange(store.event, null, null, all))
                            .isInstanceOf(RocksDBException.class);
                }
                for (long offset = 2; offset <= 200; offset++) {
                    storeInTheEnd(writer, well, large(200L * round + offset));
                }
                await().until(() -> read(engine, well, 1, 2).fault() == null);
                assertThat(Entry.of(read(engine, well, 200L * round + 2, 200L * round + 201)
                                .result()))
                        .hasSize(199);
            }
            assertThat(engine.store().openCount()).isGreaterThan(1);
            assertThat(read(engine, damaged, 1, 101).fault()).isEqualTo(EngineFault.CORRUPT);
            assertThat(engine.status().reason()).startsWith("1 reads met damaged data");
            // Nothing that was known before is forgotten.
            assertThat(stream(engine, "chat:well")).isEqualTo(well);
            ChannelLog.Page places =
                    Asked.of(answer -> engine.channels().read(log.channel(), 1, NO_LIMIT, NO_LIMIT, answer));
            assertThat(places.items()).hasSize(399);
            assertThat(places.items()).allMatch(each -> each.entry() != null);
            // also by the index that took the first one's place
            await().until(() -> grown.contains(400L));
            KeyedState.Outcome outcome = Asked.of(answer -> engine.state()
                    .put("space", "counter".getBytes(), version, new byte[1], KeyedState.NEVER_EXPIRES, answer));
            assertThat(outcome.isStored()).isTrue();
            assertThat(outcome.version()).isGreaterThan(version);
        }
    }

    /** Every event that is in files, and nothing else of them. */
    private void damageAllEvents() throws IOException {
        try (Stream<Path> files = Files.list(dir().resolve("store"))) {
            for (Path each : files.filter(one -> one.toString().endsWith(".sst"))
                    .filter(one -> one.toFile().length() > 4 * TEXT_BYTES)
                    .toList()) {
                try (RandomAccessFile file = new RandomAccessFile(each.toFile(), "rw")) {
                    for (long at = 10_000; at < file.length() - 10_000; at += 20_000) {
                        file.seek(at);
                        int was = file.read();
                        file.seek(at);
                        file.write(was ^ 4);
                    }
                }
            }
        }
    }

    @Test
    void aChannelsIndexThatMeetsDamageStopsNothingElse() throws Exception {
        try (Engine engine = open()) {
            fill(engine, "chat:damaged");
        }
        damageAllEvents();

        try (EmbeddedEngine engine = open()) {
            ChannelLog.Begun log = Asked.of(answer -> engine.channels().begin("acme", "chat", answer));
            Writer writer = new Writer(engine.events());
            // the first of all: opening it would read what is damaged
            long damaged = 1;
            writer.store(damaged, large(101), large(102));
            long well = stream(engine, "chat:well");
            writer.store(well, large(1));

            await().until(() -> read(engine, well, 1, 2).fault() == null);
            ChannelLog.Page places =
                    Asked.of(answer -> engine.channels().read(log.channel(), 1, NO_LIMIT, NO_LIMIT, answer));
            assertThat(places.items().stream().map(each -> each.topic()))
                    .containsExactly("chat:damaged", "chat:damaged", "chat:well");
        }
    }

    /** What is made ahead is left out: it has another name from one moment to the next, and nothing in it. */
    private static void copy(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(from)) {
            for (Path each : files.toList()) {
                String name = each.getFileName().toString();
                if (Files.isDirectory(each)) {
                    copy(each, to.resolve(name));
                } else if (!name.startsWith("spare-") && !name.startsWith("reserve-")) {
                    Files.copy(each, to.resolve(name));
                }
            }
        }
    }

    private Asked<KeyedState.Outcome> putNew(Engine engine) {
        return Asked.asked(answer -> engine.state()
                .put(
                        "space",
                        "counter".getBytes(StandardCharsets.UTF_8),
                        KeyedState.NO_VERSION,
                        new byte[1],
                        KeyedState.NEVER_EXPIRES,
                        answer));
    }

    /** The start had put it into the store again; the store forgets it when it is opened again, until it has read the journal. */
    @Test
    void aValueOfAnEarlierLifeIsNotOverlookedByAStoreThatWasOpenedAgain() throws Exception {
        long version;
        Path crashed = temp.resolve("crashed");
        try (Engine engine = open()) {
            version = EmbeddedEngineTest.putCounter(engine, "1").version();
            copy(dir(), crashed);
        }

        try (EmbeddedEngine engine =
                EmbeddedEngine.open(crashed, StoreFaultMain.config(), (org, topic) -> Retention.ALL)) {
            Path segment = crashed.resolve("journal").resolve(JournalSegment.nameOf(1));
            Path hidden = temp.resolve("hidden");
            Files.move(segment, hidden);
            engine.applier()
                    .onFlushFailed(new RocksDBException(
                            "a test", new Status(Status.Code.Corruption, Status.SubCode.None, "a test")));
            await().until(() -> engine.store().openCount() > 1);
            assertThat(putNew(engine).fault()).isNotNull();
            Files.move(hidden, segment);

            await().until(() -> putNew(engine).fault() == null);
            assertThat(putNew(engine).result()).isEqualTo(new KeyedState.Outcome(false, version));
        }
    }

    /** Each has a block of its own, however little is in it. */
    @Test
    void whatWaitsForTheStoreTakesNoMoreMemoryThanItMay() throws Exception {
        StoreConfig config = StoreFaultMain.config().store();
        try (LiveStore store = LiveStore.open(dir(), config);
                LiveStore.Lease lease = store.lease(0);
                Applier applier = new Applier(store, lease.store(), config, new Revival(dir(), 1));
                JournalTail none = new JournalTail(new JournalDirectory(dir()), batch -> 1)) {
            applier.start(none, () -> {});
            ByteBuf bad = Unpooled.buffer();
            JournalRecords.write(bad, JournalRecords.KIND_MAX, Unpooled.EMPTY_BUFFER, 0, 0);
            applier.onBatch(1, bad);
            await().until(() -> applier.queuedBytes() == 0);
            List<ByteBuf> batches = new ArrayList<>();
            for (int batch = 2; batch < 1_000; batch++) {
                ByteBuf small = Unpooled.buffer(JournalFormat.BLOCK_BYTES);
                JournalRecords.write(
                        small, StoreRecords.RESERVE, Unpooled.buffer().writeZero(16), 0, 16);
                batches.add(small);
                applier.onBatch(batch, small);
            }
            long held = batches.stream()
                    .filter(each -> each.refCnt() > 0)
                    .mapToLong(ByteBuf::capacity)
                    .sum();
            assertThat(held).isPositive().isLessThanOrEqualTo(config.queueBytes());
            assertThat(applier.queuedBytes()).isEqualTo(held);
        }
    }

    @Test
    void aFullDiskOfTheStoreIsToldAndRoomOnItIsEnough() throws Exception {
        Path store = Files.createDirectories(dir().resolve("store"));
        assumeTrue(
                runs("mount", "-t", "tmpfs", "-o", "size=48m,mode=700", "tmpfs", store.toString()),
                "a small file system can't be mounted here");
        try (EmbeddedEngine engine = open()) {
            long stream = stream(engine, "much");
            Writer writer = new Writer(engine.events());
            storeInTheEnd(writer, stream, large(1));
            Path ballast = store.resolve("ballast");
            Files.write(ballast, new byte[(int) Files.getFileStore(store).getUsableSpace() - (2 << 20)]);
            List<EngineFault> told = new ArrayList<>();
            long offset = 1;
            while (!told.contains(EngineFault.FULL)) {
                storeInTheEnd(writer, stream, large(++offset));
                EngineFault fault = read(engine, stream, offset, offset + 1).fault();
                if (fault != null) {
                    told.add(fault);
                }
            }
            assertThat(told).isSubsetOf(EngineFault.FULL, EngineFault.BUSY);
            assertThat(engine.status().reason()).containsIgnoringCase("space");
            Files.delete(ballast);

            assertAllIsThere(engine, stream, offset);
            storeInTheEnd(writer, stream, large(offset + 1));
            assertAllIsThere(engine, stream, offset + 1);
            await().until(() -> engine.status().reason().isEmpty());
        } finally {
            assertThat(runs("umount", store.toString())).isTrue();
        }
    }

    @ParameterizedTest
    @CsvSource({"sync,FAILED", "write,FULL"})
    void systemCallsOfTheStoreThatFailAndWorkAgain(String what, String fault) throws Exception {
        Path library = temp.resolve("iofault.so");
        assumeTrue(JournalIoFaultTest.compiles(temp, library) || System.getenv("CI") != null, "there is no gcc");
        Path control = temp.resolve("control");
        JournalProcess child = JournalProcess.start(
                StoreFaultMain.class,
                dir(),
                List.of(),
                Map.of(
                        "LD_PRELOAD",
                        library.toString(),
                        "HERMOD_IOFAULT",
                        control.toString(),
                        "HERMOD_IOFAULT_PATH",
                        dir() + "/store/"));
        try {
            assertThat(child.readUntil("A 100"))
                    .as(String.valueOf(child.said()))
                    .isTrue();
            for (int round = 0; round < 2; round++) {
                Files.writeString(control, what);
                assertThat(child.readUntil("R " + fault))
                        .as(String.valueOf(child.said()))
                        .isTrue();
                assertThat(child.readUntil("A ")).as("stored meanwhile").isTrue();
                Files.delete(control);
                do {
                    assertThat(child.readUntil("R ")).isTrue();
                } while (child.last().matches("R \\D+"));
            }
        } finally {
            child.kill();
        }
        try (Engine engine = open()) {
            long stream = stream(engine, StoreFaultMain.TOPIC);
            List<Long> offsets = EmbeddedEngineTest.readAll(engine, stream).stream()
                    .map(Entry::offset)
                    .toList();
            assertThat(offsets).containsAll(child.stored()).isSorted().doesNotHaveDuplicates();
        }
    }

    private static boolean runs(String... command) throws InterruptedException {
        return JournalIoFaultTest.runs(command);
    }
}
