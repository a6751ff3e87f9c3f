package hermod.broker.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.broker.shard.ShardClock;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What every engine does: each guarantee of {@link EventLog}, {@link ChannelLog}, {@link KeyedState} and {@link EventBus}. */
public abstract class EngineContract {
    protected static final int NO_LIMIT = Integer.MAX_VALUE;
    private static final byte[] FIRST_PAGE = {};

    private Engine engine;

    /** A new one with nothing in it; closed after the test. */
    protected abstract Engine open() throws Exception;

    @BeforeEach
    final void openEngine() throws Exception {
        engine = open();
    }

    @AfterEach
    final void closeEngine() {
        engine.close();
    }

    protected final Engine engine() {
        return engine;
    }

    protected final EventLog log() {
        return engine.events();
    }

    protected final long stream(String topic) {
        return open(topic).stream();
    }

    protected final EventLog.Opened open(String topic) {
        return Asked.of(answer -> log().open("acme", topic, 7, answer));
    }

    protected final EventLog.Page read(long stream, long from, long end, boolean isBackwards, int count, int bytes) {
        return Asked.of(answer -> log().read(new EventLog.Order(stream, from, end, isBackwards, count, bytes), answer));
    }

    protected final EventLog.Page readAll(long stream) {
        return read(stream, 0, Long.MAX_VALUE, false, NO_LIMIT, NO_LIMIT);
    }

    protected final List<Long> offsets(EventLog.Page page) {
        List<Entry> entries = Entry.of(page);
        assertThat(page.count()).isEqualTo(entries.size());
        return entries.stream().map(Entry::offset).toList();
    }

    protected static Entry[] entries(long from, long to) {
        return LongStream.rangeClosed(from, to).mapToObj(Entry::at).toArray(Entry[]::new);
    }

    // --- appending

    @Test
    void whatIsAppendedInALaneIsStoredAndCompletedInTheOrderGiven() {
        long stream = stream("order");
        Writer writer = new Writer(log());

        for (int offset = 1; offset <= 1_000; offset++) {
            assertThat(writer.append(false, stream, Entry.at(offset))).isEqualTo(offset);
        }
        writer.await(false, 1_000);

        assertThat(writer.told().stream().map(Writer.Told::ticket)).isSorted().doesNotHaveDuplicates();
        assertThat(Entry.of(readAll(stream))).containsExactly(entries(1, 1_000));
    }

    @Test
    void eachLaneHasTicketsOfItsOwnFromOneOn() {
        long plain = stream("plain");
        long urgent = stream("urgent");
        Writer writer = new Writer(log());

        assertThat(writer.append(false, plain, Entry.at(1))).isEqualTo(1);
        assertThat(writer.append(true, urgent, Entry.at(1))).isEqualTo(1);
        assertThat(writer.append(false, plain, Entry.at(2))).isEqualTo(2);
        assertThat(writer.appender().reserve(true, urgent, 100)).isEqualTo(2);
        writer.appender().flush();

        writer.await(false, 2);
        writer.await(true, 2);
        assertThat(offsets(readAll(plain))).containsExactly(1L, 2L);
        assertThat(offsets(readAll(urgent))).containsExactly(1L);
    }

    @Test
    void anAppendOfManyEntriesIsStoredWhole() {
        long stream = stream("whole");
        Writer writer = new Writer(log());

        writer.store(stream, entries(1, 500));

        assertThat(Entry.of(readAll(stream))).containsExactly(entries(1, 500));
    }

    @Test
    void entriesAppendedAgainAreStoredOnce() {
        long stream = stream("again");
        Writer writer = new Writer(log());
        Entry[] entries = {
            Entry.at(1).of(5, 1).by(9, 1).key("a"),
            Entry.at(2).of(5, 2).by(9, 2).key("a")
        };
        writer.store(stream, entries);

        writer.store(stream, entries[0]);

        assertThat(Entry.of(readAll(stream))).containsExactly(entries);
        EventLog.Recalled recalled = Asked.of(answer -> log().recall(stream, 5, 9, answer));
        assertThat(recalled.sequences()).containsExactly(1, 2);
        assertThat(recalled.offsets()).containsExactly(1, 2);
        assertThat(recalled.authorOrdinal()).isEqualTo(2);
        assertThat(Entry.of(lastOfKeys(stream, FIRST_PAGE, NO_LIMIT, NO_LIMIT))).containsExactly(entries[1]);
        assertThat(open("again")).isEqualTo(new EventLog.Opened(stream, 7, 1, 3, 2, 2));
    }

    @Test
    void anOlderEntryThatComesLateDoesNotTakeANewerOnesPlace() {
        long stream = stream("late");
        Writer writer = new Writer(log());
        writer.store(stream, Entry.at(5).by(9, 5).key("a"), Entry.at(6).by(9, 6).tombstone("b"));

        writer.store(stream, Entry.at(3).by(9, 3).key("a"), Entry.at(4).by(9, 4).key("b"));

        assertThat(offsets(readAll(stream))).containsExactly(3L, 4L, 5L, 6L);
        assertThat(offsets(lastOfKeys(stream, FIRST_PAGE, NO_LIMIT, NO_LIMIT))).containsExactly(5L);
        assertThat(Asked.<EventLog.Recalled>of(answer -> log().recall(stream, 0, 9, answer))
                        .authorOrdinal())
                .isEqualTo(6);
    }

    @Test
    void offsetsAreTheCallersAndMayHaveHoles() {
        long stream = stream("holes");
        Writer writer = new Writer(log());

        writer.store(stream, Entry.at(3), Entry.at(10));
        writer.store(stream, Entry.at(1L << 40));

        EventLog.Page page = readAll(stream);
        assertThat(offsets(page)).containsExactly(3L, 10L, 1L << 40);
        assertThat(page.firstOffset()).isEqualTo(1);
        assertThat(offsets(read(stream, 4, 1L << 40, false, NO_LIMIT, NO_LIMIT)))
                .containsExactly(10L);
        assertThat(open("holes").nextOffset()).isEqualTo((1L << 40) + 1);
    }

    @Test
    void anAppendThatHasNoRoomIsRefused() {
        long stream = stream("room");
        Writer writer = new Writer(log());
        int bytes = 40 * 1024 * 1024;
        Entry large = Entry.at(1).text("x".repeat(bytes));

        assertThat(writer.appender().hasRoom(false, 1_000)).isTrue();
        assertThat(writer.appender().hasRoom(false, bytes)).isFalse();
        assertThatThrownBy(() -> writer.append(false, stream, large)).isInstanceOf(IllegalStateException.class);

        writer.store(stream, Entry.at(1));
        assertThat(offsets(readAll(stream))).containsExactly(1L);
    }

    @Test
    void streamsAreApart() {
        long left = stream("left");
        long right = stream("right");
        Writer writer = new Writer(log());

        writer.store(left, Entry.at(1).of(5, 1).by(9, 1).key("k").text("left"));
        writer.store(right, Entry.at(1).of(5, 2).by(9, 4).key("k").text("right"));

        assertThat(Entry.of(readAll(left))).extracting(Entry::text).containsExactly("left");
        assertThat(Entry.of(lastOfKeys(right, FIRST_PAGE, NO_LIMIT, NO_LIMIT)))
                .extracting(Entry::text)
                .containsExactly("right");
        EventLog.Recalled recalled = Asked.of(answer -> log().recall(left, 5, 9, answer));
        assertThat(recalled.sequences()).containsExactly(1);
        assertThat(recalled.authorOrdinal()).isEqualTo(1);
    }

    // --- reading

    @Test
    void aReadSeesWhatWasCompletedBeforeIt() {
        long stream = stream("seen");
        Writer writer = new Writer(log());

        for (int offset = 1; offset <= 500; offset++) {
            AtomicReference<@Nullable Asked<EventLog.Page>> asked = new AtomicReference<>();
            long last = offset;
            writer.onNext(() -> asked.set(Asked.asked(answer ->
                    log().read(new EventLog.Order(stream, last, Long.MAX_VALUE, false, 1, NO_LIMIT), answer))));
            writer.store(stream, Entry.at(offset));
            assertThat(offsets(asked.get().result())).containsExactly(last);
        }
    }

    @Test
    void noEntryIsReadBeforeItIsCompletedOrAboutToBe() {
        long stream = stream("early");
        Writer writer = new Writer(log());

        for (long offset = 1; offset <= 200; offset++) {
            long ticket = writer.append(false, stream, Entry.at(offset));
            while (offsets(read(stream, offset, Long.MAX_VALUE, false, 1, NO_LIMIT))
                    .isEmpty()) {
                Thread.onSpinWait();
            }
            // what was read is stored: so it is completed as that, and is read again
            assertThat(writer.outcome(false, ticket)).isNull();
            assertThat(offsets(readAll(stream))).hasSize((int) offset);
        }
    }

    @Test
    void aReadStopsBeforeItsEndAndSaysWhetherThatWasAll() {
        long stream = stream("pages");
        new Writer(log()).store(stream, entries(1, 10));

        EventLog.Page first = read(stream, 2, 6, false, 3, NO_LIMIT);
        assertThat(offsets(first)).containsExactly(2L, 3L, 4L);
        assertThat(first.isEnd()).isFalse();
        EventLog.Page second = read(stream, 5, 6, false, 3, NO_LIMIT);
        assertThat(offsets(second)).containsExactly(5L);
        assertThat(second.isEnd()).isTrue();
        EventLog.Page exact = read(stream, 8, Long.MAX_VALUE, false, 3, NO_LIMIT);
        assertThat(offsets(exact)).containsExactly(8L, 9L, 10L);
        assertThat(exact.isEnd()).isTrue();
        EventLog.Page none = read(stream, 11, Long.MAX_VALUE, false, 3, NO_LIMIT);
        assertThat(none).extracting(EventLog.Page::count, EventLog.Page::isEnd).containsExactly(0, true);
    }

    @Test
    void aReadBackwardsGivesTheNewestFirst() {
        long stream = stream("back");
        new Writer(log()).store(stream, entries(1, 10));

        EventLog.Page first = read(stream, Long.MAX_VALUE, 0, true, 4, NO_LIMIT);
        assertThat(offsets(first)).containsExactly(10L, 9L, 8L, 7L);
        assertThat(first.isEnd()).isFalse();
        assertThat(first.firstOffset()).isEqualTo(1);
        EventLog.Page second = read(stream, 6, 4, true, 4, NO_LIMIT);
        assertThat(offsets(second)).containsExactly(6L, 5L, 4L);
        assertThat(second.isEnd()).isTrue();
        assertThat(offsets(read(stream, 3, 0, true, NO_LIMIT, NO_LIMIT))).containsExactly(3L, 2L, 1L);
    }

    @Test
    void oneEntryIsReadWhateverItsSize() {
        long stream = stream("large");
        Entry large = Entry.at(1).text("x".repeat(100_000));
        new Writer(log()).store(stream, large, Entry.at(2), Entry.at(3));
        int both = Entry.at(2).bytes() + Entry.at(3).bytes();

        EventLog.Page first = read(stream, 1, Long.MAX_VALUE, false, NO_LIMIT, 10);
        assertThat(Entry.of(first)).containsExactly(large);
        assertThat(first.isEnd()).isFalse();
        assertThat(offsets(read(stream, 2, Long.MAX_VALUE, false, NO_LIMIT, both)))
                .containsExactly(2L, 3L);
        assertThat(offsets(read(stream, 2, Long.MAX_VALUE, false, NO_LIMIT, both - 1)))
                .containsExactly(2L);
    }

    @Test
    void anEmptyStreamHasNothingAndStartsAtOne() {
        EventLog.Opened opened = open("empty");

        assertThat(opened).isEqualTo(new EventLog.Opened(opened.stream(), 7, 1, 1, 0, 0));
        EventLog.Page page = readAll(opened.stream());
        assertThat(page.count()).isZero();
        assertThat(page.isEnd()).isTrue();
        assertThat(page.firstOffset()).isEqualTo(1);
        assertThat(Asked.<Long>of(answer -> log().offsetAt(opened.stream(), 5, answer)))
                .isEqualTo(1);
    }

    @Test
    void anOffsetIsFoundByTheTimeItWasStored() {
        long stream = stream("times");
        new Writer(log())
                .store(
                        stream,
                        Entry.at(3).storedAt(100),
                        Entry.at(7).storedAt(200),
                        Entry.at(8).storedAt(200),
                        Entry.at(1_000_000).storedAt(300));

        assertThat(offsetAt(stream, 0)).isEqualTo(3);
        assertThat(offsetAt(stream, 100)).isEqualTo(3);
        assertThat(offsetAt(stream, 101)).isEqualTo(7);
        assertThat(offsetAt(stream, 200)).isEqualTo(7);
        assertThat(offsetAt(stream, 201)).isEqualTo(1_000_000);
        assertThat(offsetAt(stream, 301)).isEqualTo(1_000_001);
    }

    @Test
    void reservedOffsetsAreNotAboveTheEndByTime() {
        long stream = stream("reserved-times");
        Writer writer = new Writer(log());
        writer.store(stream, Entry.at(3));
        long ticket = writer.appender().reserve(false, stream, 100);
        writer.appender().flush();
        writer.await(false, ticket);

        assertThat(offsetAt(stream, 50)).isEqualTo(4);
    }

    private long offsetAt(long stream, long storedAtUs) {
        return Asked.<Long>of(answer -> log().offsetAt(stream, storedAtUs, answer));
    }

    // --- opening and recalling

    @Test
    void aKnownNameIsTheSameStreamWithTheFirstEpoch() {
        EventLog.Opened first = Asked.of(answer -> log().open("acme", "chat", 11, answer));
        EventLog.Opened again = Asked.of(answer -> log().open("acme", "chat", 12, answer));
        EventLog.Opened other = Asked.of(answer -> log().open("other", "chat", 13, answer));

        assertThat(again).isEqualTo(first);
        assertThat(first.epoch()).isEqualTo(11);
        assertThat(other.epoch()).isEqualTo(13);
        assertThat(other.stream()).isNotEqualTo(first.stream());
    }

    @Test
    void aNameThatIsOpenedByManyAtOnceIsMadeOnce() {
        List<Asked<EventLog.Opened>> asked = IntStream.range(0, 50)
                .mapToObj(i -> Asked.<EventLog.Opened>asked(answer -> log().open("acme", "rush", 100 + i, answer)))
                .toList();

        assertThat(asked.stream().map(Asked::result).distinct()).hasSize(1);
    }

    @Test
    void anOpenTellsWhatIsStored() {
        long stream = stream("known");
        new Writer(log())
                .store(
                        stream,
                        Entry.at(4).storedAt(1_000),
                        Entry.at(6).uncounted(4).storedAt(2_000));

        assertThat(open("known")).isEqualTo(new EventLog.Opened(stream, 7, 1, 7, 4, 2_000));
    }

    @Test
    void offsetsThatWereReservedAreNotGivenAgain() {
        long stream = stream("reserved");
        Writer writer = new Writer(log());
        writer.appender().reserve(false, stream, 200);
        long ticket = writer.appender().reserve(false, stream, 100);
        writer.appender().flush();
        writer.await(false, ticket);

        assertThat(open("reserved")).isEqualTo(new EventLog.Opened(stream, 7, 1, 200, 0, 0));
        writer.store(stream, Entry.at(5));
        assertThat(open("reserved")).isEqualTo(new EventLog.Opened(stream, 7, 1, 200, 5, 5));
        writer.store(stream, Entry.at(300));
        assertThat(open("reserved").nextOffset()).isEqualTo(301);
    }

    @Test
    void theNewestSequencesOfAProducerAreRecalled() {
        long stream = stream("recalled");
        Writer writer = new Writer(log());
        Entry[] entries = new Entry[3_000];
        for (int i = 0; i < entries.length; i++) {
            int nth = i / 2 + 1;
            entries[i] = Entry.at(i + 1).of(i % 2 == 0 ? 5 : -6, nth).by(i % 2 == 0 ? 50 : 60, nth);
        }
        writer.store(stream, entries);

        EventLog.Recalled recalled = Asked.of(answer -> log().recall(stream, -6, 60, answer));

        assertThat(recalled.sequences())
                .containsExactly(LongStream.rangeClosed(1_500 - 1_023, 1_500).toArray());
        assertThat(recalled.offsets())
                .containsExactly(LongStream.rangeClosed(1_500 - 1_023, 1_500)
                        .map(sequence -> 2 * sequence)
                        .toArray());
        assertThat(recalled.authorOrdinal()).isEqualTo(1_500);
    }

    @Test
    void whatIsUnknownRecallsNothing() {
        long stream = stream("unknown");
        new Writer(log())
                .store(
                        stream,
                        Entry.at(1).by(9, 1),
                        Entry.at(2).of(5, 1).by(9, 1).uncounted(1));

        EventLog.Recalled none = Asked.of(answer -> log().recall(stream, 77, 78, answer));
        EventLog.Recalled unnumbered = Asked.of(answer -> log().recall(stream, 0, 9, answer));

        assertThat(none.sequences()).isEmpty();
        assertThat(none.offsets()).isEmpty();
        assertThat(none.authorOrdinal()).isZero();
        assertThat(unnumbered.sequences()).isEmpty();
        assertThat(unnumbered.authorOrdinal()).isEqualTo(1);
    }

    // --- keys

    @Test
    void theLastEntryOfEachKeyIsKept() {
        long stream = stream("keys");
        Writer writer = new Writer(log());
        writer.store(
                stream,
                Entry.at(1).key("b"),
                Entry.at(2).key("a"),
                Entry.at(3),
                Entry.at(4).key("b"));
        writer.store(
                stream,
                Entry.at(5).key("c"),
                Entry.at(6).tombstone("a"),
                Entry.at(7).key("ab"));

        EventLog.Page page = lastOfKeys(stream, FIRST_PAGE, NO_LIMIT, NO_LIMIT);
        assertThat(Entry.of(page)).extracting(Entry::key).containsExactly("ab", "b", "c");
        assertThat(offsets(page)).containsExactly(7L, 4L, 5L);
        assertThat(page.isEnd()).isTrue();

        writer.store(stream, Entry.at(8).key("a"));
        assertThat(offsets(lastOfKeys(stream, FIRST_PAGE, NO_LIMIT, NO_LIMIT))).containsExactly(8L, 7L, 4L, 5L);
    }

    @Test
    void keysComeInPages() {
        long stream = stream("key-pages");
        Entry[] entries = IntStream.rangeClosed(1, 9)
                .mapToObj(i ->
                        i == 5 ? Entry.at(i).tombstone("key" + i) : Entry.at(i).key("key" + i))
                .toArray(Entry[]::new);
        new Writer(log()).store(stream, entries);

        List<String> keys = new ArrayList<>();
        EventLog.Page page = lastOfKeys(stream, FIRST_PAGE, 3, NO_LIMIT);
        while (true) {
            assertThat(page.count()).isLessThanOrEqualTo(3);
            Entry.of(page).forEach(entry -> keys.add(entry.key()));
            if (page.isEnd()) {
                break;
            }
            page = lastOfKeys(stream, keys.get(keys.size() - 1).getBytes(StandardCharsets.UTF_8), 3, NO_LIMIT);
        }
        assertThat(keys).containsExactly("key1", "key2", "key3", "key4", "key6", "key7", "key8", "key9");
        assertThat(lastOfKeys(stream, FIRST_PAGE, NO_LIMIT, 1).count()).isEqualTo(1);
    }

    @Test
    void keysAreOrderedAsUnsignedBytes() {
        long stream = stream("key-order");
        new Writer(log())
                .store(
                        stream,
                        Entry.at(1).key("\u00e9"),
                        Entry.at(2).key("z"),
                        Entry.at(3).key("A"));

        assertThat(Entry.of(lastOfKeys(stream, FIRST_PAGE, NO_LIMIT, NO_LIMIT)))
                .extracting(Entry::key)
                .containsExactly("A", "z", "\u00e9");
    }

    protected final EventLog.Page lastOfKeys(long stream, byte[] after, int count, int bytes) {
        return Asked.of(answer -> log().lastOfKeys(stream, after, count, bytes, answer));
    }

    // --- small values

    protected final KeyedState.Outcome put(String space, String key, long version, @Nullable String value) {
        return put(space, key, version, value, KeyedState.NEVER_EXPIRES);
    }

    protected final KeyedState.Outcome put(
            String space, String key, long version, @Nullable String value, long expiresAtUs) {
        return Asked.of(answer -> engine.state()
                .put(space, bytes(key), version, value == null ? null : bytes(value), expiresAtUs, answer));
    }

    protected final KeyedState.@Nullable Value get(String space, String key) {
        return Asked.<KeyedState.@Nullable Value>of(answer -> engine.state().get(space, bytes(key), answer));
    }

    protected final List<String> scan(String space, String from, @Nullable String end, int count) {
        List<KeyedState.Value> values = Asked.of(
                answer -> engine.state().scan(space, bytes(from), end == null ? null : bytes(end), count, answer));
        return values.stream()
                .map(value -> text(value.key()) + "=" + text(value.bytes()))
                .toList();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    @Test
    void aValueIsSeenByWhoAsksAfterItWasStored() {
        for (int i = 0; i < 200; i++) {
            KeyedState.Outcome outcome = put("cursors", "key", KeyedState.ANY_VERSION, "value " + i);
            KeyedState.Value value = get("cursors", "key");

            assertThat(outcome.isStored()).isTrue();
            assertThat(value).isNotNull();
            assertThat(text(value.bytes())).isEqualTo("value " + i);
            assertThat(text(value.key())).isEqualTo("key");
            assertThat(value.version()).isEqualTo(outcome.version());
            assertThat(value.expiresAtUs()).isEqualTo(KeyedState.NEVER_EXPIRES);
            assertThat(scan("cursors", "", null, 10)).containsExactly("key=value " + i);
        }
    }

    @Test
    void aChangeOfAnotherVersionIsNotMadeAndToldTheOneThatIsThere() {
        KeyedState.Outcome first = put("s", "k", KeyedState.NO_VERSION, "1");
        assertThat(first.isStored()).isTrue();
        assertThat(first.version()).isPositive();

        assertThat(put("s", "k", KeyedState.NO_VERSION, "2")).isEqualTo(new KeyedState.Outcome(false, first.version()));
        assertThat(put("s", "k", first.version() + 1, "2")).isEqualTo(new KeyedState.Outcome(false, first.version()));
        assertThat(put("s", "k", first.version() + 1, null)).isEqualTo(new KeyedState.Outcome(false, first.version()));
        assertThat(put("s", "missing", first.version(), "2"))
                .isEqualTo(new KeyedState.Outcome(false, KeyedState.NO_VERSION));
        assertThat(text(get("s", "k").bytes())).isEqualTo("1");
        assertThat(put("s", "k", first.version(), "2").isStored()).isTrue();
        assertThat(text(get("s", "k").bytes())).isEqualTo("2");
    }

    @Test
    void versionsRiseOverDeletions() {
        long first = put("s", "k", KeyedState.ANY_VERSION, "1").version();
        KeyedState.Outcome deleted = put("s", "k", first, null);
        assertThat(deleted.isStored()).isTrue();
        assertThat(get("s", "k")).isNull();
        assertThat(scan("s", "", null, 10)).isEmpty();

        KeyedState.Outcome again = put("s", "k", KeyedState.NO_VERSION, "2");

        assertThat(again.isStored()).isTrue();
        assertThat(again.version()).isGreaterThan(deleted.version());
        assertThat(deleted.version()).isGreaterThan(first);
    }

    @Test
    void ofChangesAtOnceThatExpectTheSameVersionOneIsMade() {
        long version = put("s", "counter", KeyedState.ANY_VERSION, "0").version();
        for (int round = 0; round < 20; round++) {
            long expected = version;
            List<Asked<KeyedState.Outcome>> asked = IntStream.range(0, 20)
                    .mapToObj(i -> Asked.<KeyedState.Outcome>asked(answer -> engine.state()
                            .put("s", bytes("counter"), expected, bytes("" + i), KeyedState.NEVER_EXPIRES, answer)))
                    .toList();
            List<KeyedState.Outcome> outcomes =
                    asked.stream().map(Asked::result).toList();
            assertThat(outcomes).filteredOn(KeyedState.Outcome::isStored).hasSize(1);
            assertThat(outcomes.stream().map(KeyedState.Outcome::version).distinct())
                    .hasSize(1);
            version = outcomes.get(0).version();
        }
        assertThat(get("s", "counter").version()).isEqualTo(version);
    }

    @Test
    void aValueWhoseTimeIsOverIsSeenByNobody() {
        long nowUs = ShardClock.wallUs();
        put("s", "over", KeyedState.ANY_VERSION, "1", nowUs - 1);
        put("s", "alive", KeyedState.ANY_VERSION, "2", nowUs + 3_600_000_000L);

        assertThat(get("s", "over")).isNull();
        assertThat(get("s", "alive").expiresAtUs()).isEqualTo(nowUs + 3_600_000_000L);
        assertThat(scan("s", "", null, 10)).containsExactly("alive=2");
        assertThat(put("s", "over", KeyedState.NO_VERSION, "3").isStored()).isTrue();
        assertThat(scan("s", "", null, 10)).containsExactly("alive=2", "over=3");
    }

    @Test
    void aScanGoesFromAKeyToBeforeAnotherInTheirOrder() {
        for (String key : List.of("b", "a", "\u00e9", "ba", "c")) {
            put("s", key, KeyedState.ANY_VERSION, key);
        }
        put("r", "b", KeyedState.ANY_VERSION, "other space");
        put("s2", "b", KeyedState.ANY_VERSION, "other space");

        assertThat(scan("s", "", null, 10)).containsExactly("a=a", "b=b", "ba=ba", "c=c", "\u00e9=\u00e9");
        assertThat(scan("s", "b", "c", 10)).containsExactly("b=b", "ba=ba");
        assertThat(scan("s", "b", null, 2)).containsExactly("b=b", "ba=ba");
        assertThat(scan("s", "bb", "bb", 2)).isEmpty();
        assertThat(scan("none", "", null, 2)).isEmpty();
        assertThat(scan("", "", null, 2)).isEmpty();
    }

    @Test
    void valuesOfTheLargestSizeAreKept() {
        String key = "k".repeat(KeyedState.KEY_BYTES_MAX);
        String value = "v".repeat(KeyedState.VALUE_BYTES_MAX);

        assertThat(put("s".repeat(64), key, KeyedState.ANY_VERSION, value).isStored())
                .isTrue();

        assertThat(get("s".repeat(64), key).bytes()).hasSize(KeyedState.VALUE_BYTES_MAX);
    }

    // --- whole channels

    protected final ChannelLog channels() {
        return engine.channels();
    }

    protected final ChannelLog.Begun begin(String channel) {
        return Asked.of(answer -> channels().begin("acme", channel, answer));
    }

    protected final ChannelLog.@Nullable Begun find(String channel) {
        return Asked.<ChannelLog.@Nullable Begun>of(answer -> channels().find("acme", channel, answer));
    }

    protected final ChannelLog.Page readChannel(long channel, long from, int count, int bytes) {
        return Asked.of(answer -> channels().read(channel, from, count, bytes, answer));
    }

    /** What is in a log: topic and offset of each place; checks that the places are dense. */
    protected final List<String> placesOf(long channel) {
        return placesOf(engine, channel);
    }

    protected static List<String> placesOf(Engine of, long channel) {
        List<String> places = new ArrayList<>();
        long position = 0;
        ChannelLog.Page page;
        do {
            long from = position;
            page = Asked.of(answer -> of.channels().read(channel, from, 1_000, 1 << 20, answer));
            position = Math.max(position, page.firstPosition());
            for (ChannelLog.Item item : page.items()) {
                assertThat(item.position()).isEqualTo(position);
                places.add(item.topic() + " " + offsetOf(item));
                position++;
            }
        } while (!page.isEnd());
        assertThat(page.nextPosition()).isEqualTo(position);
        return places;
    }

    /** Null for one that is gone. */
    protected static @Nullable Long offsetOf(ChannelLog.Item item) {
        byte[] entry = item.entry();
        return entry == null ? null : StoredEntry.offset(Unpooled.wrappedBuffer(entry), 0);
    }

    @Test
    void aChannelsLogHasWhatIsStoredFromItsBeginningOnAndOnlyThat() {
        Writer writer = new Writer(log());
        long old = stream("chat:old");
        writer.store(old, entries(1, 3));
        ChannelLog.Begun begun = begin("chat");
        EventLog.Opened foreign = Asked.of(answer -> log().open("other", "chat:old", 7, answer));
        EventLog.Opened young = Asked.of(answer -> log().open("acme", "chat:young", 9, answer));
        Entry whole = Entry.at(1).of(5, 1).by(9, 1).key("k").text("whole");

        writer.store(old, Entry.at(4));
        writer.store(foreign.stream(), Entry.at(1));
        writer.store(stream("chats:old"), Entry.at(1));
        writer.store(stream("cha"), Entry.at(1));
        writer.store(stream("chat"), Entry.at(1));
        writer.store(young.stream(), whole, Entry.at(2));
        writer.store(old, Entry.at(7));

        assertThat(begun).isEqualTo(new ChannelLog.Begun(begun.channel(), 1, 1));
        assertThat(placesOf(begun.channel()))
                .containsExactly("chat:old 4", "chat:young 1", "chat:young 2", "chat:old 7");
        ChannelLog.Item item =
                readChannel(begun.channel(), 2, 1, NO_LIMIT).items().get(0);
        assertThat(item.stream()).isEqualTo(young.stream());
        assertThat(item.epoch()).isEqualTo(9);
        assertThat(item.entry()).isEqualTo(ByteBufUtil.getBytes(Entry.buffer(whole)));
        assertThat(begin("chat")).isEqualTo(new ChannelLog.Begun(begun.channel(), 1, 5));
        assertThat(find("chat")).isEqualTo(new ChannelLog.Begun(begun.channel(), 1, 5));
    }

    @Test
    void lookingForAChannelsLogNeverBeginsIt() {
        long stream = stream("chat:a");
        assertThat(find("chat")).isNull();

        new Writer(log()).store(stream, Entry.at(1));

        assertThat(find("chat")).isNull();
        assertThat(begin("chat").nextPosition()).isEqualTo(1);
    }

    @Test
    void channelsHaveNumbersAndPositionsOfTheirOwn() {
        ChannelLog.Begun chat = begin("chat");
        ChannelLog.Begun news = begin("news");
        ChannelLog.Begun foreign = Asked.of(answer -> channels().begin("other", "chat", answer));
        Writer writer = new Writer(log());

        writer.store(stream("chat:a"), Entry.at(1));
        writer.store(stream("news:a"), Entry.at(1));
        writer.store(stream("news:b"), Entry.at(5));

        assertThat(List.of(chat.channel(), news.channel(), foreign.channel())).doesNotHaveDuplicates();
        assertThat(placesOf(chat.channel())).containsExactly("chat:a 1");
        assertThat(placesOf(news.channel())).containsExactly("news:a 1", "news:b 5");
        assertThat(placesOf(foreign.channel())).isEmpty();
    }

    @Test
    void theEntriesOfAStreamAreInAChannelsLogInTheOrderOfTheirOffsets() {
        long channel = begin("chat").channel();
        long[] streams = LongStream.range(0, 7).map(i -> stream("chat:" + i)).toArray();
        Writer writer = new Writer(log());
        int rounds = 500;

        long urgent = 0;
        long plain = 0;
        for (int offset = 1; offset <= rounds; offset++) {
            for (int i = 0; i < streams.length; i++) {
                long ticket = writer.append(i == 0, streams[i], Entry.at(offset));
                urgent = i == 0 ? ticket : urgent;
                plain = i == 0 ? plain : ticket;
            }
        }
        writer.await(true, urgent);
        writer.await(false, plain);

        List<String> places = placesOf(channel);
        assertThat(places).hasSize(rounds * streams.length);
        for (int i = 0; i < streams.length; i++) {
            String topic = "chat:" + i;
            assertThat(places.stream().filter(place -> place.startsWith(topic + " ")))
                    .containsExactlyElementsOf(LongStream.rangeClosed(1, rounds)
                            .mapToObj(offset -> topic + " " + offset)
                            .toList());
        }
    }

    @Test
    void whatIsCompletedAfterTheBeginningWasAnsweredIsIn() {
        long stream = stream("chat:a");
        Writer writer = new Writer(log());
        int count = 2_000;
        Asked<ChannelLog.Begun> begun = new Asked<>();
        AtomicReference<Integer> completedBefore = new AtomicReference<>();
        Answer<ChannelLog.Begun> watching = new Answer<>() {
            @Override
            public void onDone(ChannelLog.Begun result) {
                completedBefore.set(writer.told().size());
                begun.onDone(result);
            }

            @Override
            public void onFault(EngineFault fault) {
                begun.onFault(fault);
            }
        };
        for (int offset = 1; offset <= count; offset++) {
            writer.append(false, stream, Entry.at(offset));
            if (offset == count / 2) {
                channels().begin("acme", "chat", watching);
            }
        }
        writer.await(false, count);

        List<String> places = placesOf(begun.result().channel());
        long first = count - places.size() + 1;
        assertThat(places)
                .containsExactlyElementsOf(LongStream.rangeClosed(first, count)
                        .mapToObj(offset -> "chat:a " + offset)
                        .toList());
        List<Writer.Told> told = writer.told();
        long stored = completedBefore.get() == 0
                ? 0
                : told.get(completedBefore.get() - 1).ticket();
        assertThat(first).isLessThanOrEqualTo(stored + 1);
    }

    @Test
    void anEntryThatIsAppendedAgainGetsNoSecondPosition() {
        long channel = begin("chat").channel();
        long stream = stream("chat:a");
        Writer writer = new Writer(log());

        writer.store(stream, Entry.at(1), Entry.at(2), Entry.at(2), Entry.at(1), Entry.at(5));
        writer.store(stream, Entry.at(2));
        writer.store(stream, Entry.at(5), Entry.at(6));

        assertThat(placesOf(channel)).containsExactly("chat:a 1", "chat:a 2", "chat:a 5", "chat:a 6");
    }

    @Test
    void anEntryThatComesLateIsInOnce() {
        long channel = begin("chat").channel();
        long stream = stream("chat:a");
        Writer writer = new Writer(log());
        writer.store(stream, Entry.at(1), Entry.at(5));

        writer.store(stream, Entry.at(3), Entry.at(6), Entry.at(3));
        writer.store(stream, Entry.at(3), Entry.at(4), Entry.at(7));

        assertThat(placesOf(channel))
                .containsExactly("chat:a 1", "chat:a 5", "chat:a 3", "chat:a 6", "chat:a 4", "chat:a 7");
    }

    @Test
    void whatWasStoredBeforeTheBeginningAndIsAppendedAgainIsInOnce() {
        long stream = stream("chat:a");
        Writer writer = new Writer(log());
        writer.store(stream, entries(1, 5));
        long channel = begin("chat").channel();

        writer.store(stream, Entry.at(3));
        writer.store(stream, Entry.at(3), Entry.at(6));
        writer.store(stream, Entry.at(2), Entry.at(3), Entry.at(6));

        assertThat(placesOf(channel)).containsExactly("chat:a 3", "chat:a 6", "chat:a 2");
    }

    @Test
    void aPageOfAChannelsLogHasAsMuchAsWasAsked() {
        long channel = begin("chat").channel();
        Entry large = Entry.at(4).text("x".repeat(100_000));
        long stream = stream("chat:a");
        new Writer(log()).store(stream, Entry.at(1), Entry.at(2), Entry.at(3), large, Entry.at(5));
        int bytes = Entry.at(1).bytes();

        ChannelLog.Page counted = readChannel(channel, 0, 2, NO_LIMIT);
        assertThat(counted.items().stream().map(EngineContract::offsetOf)).containsExactly(1L, 2L);
        assertThat(counted)
                .extracting(ChannelLog.Page::isEnd, ChannelLog.Page::nextPosition)
                .containsExactly(false, 6L);
        assertThat(readChannel(channel, 1, NO_LIMIT, 2 * bytes).items()).hasSize(2);
        assertThat(readChannel(channel, 1, NO_LIMIT, 2 * bytes - 1).items()).hasSize(1);
        assertThat(readChannel(channel, 3, NO_LIMIT, 2 * bytes).items()).hasSize(1);
        ChannelLog.Page one = readChannel(channel, 4, NO_LIMIT, 10);
        assertThat(one.items().stream().map(EngineContract::offsetOf)).containsExactly(4L);
        assertThat(one.isEnd()).isFalse();
        ChannelLog.Page last = readChannel(channel, 5, 1, 10);
        assertThat(last.items().stream().map(EngineContract::offsetOf)).containsExactly(5L);
        assertThat(last.isEnd()).isTrue();
        ChannelLog.Page none = readChannel(channel, 6, NO_LIMIT, NO_LIMIT);
        assertThat(none).isEqualTo(new ChannelLog.Page(List.of(), 1, 6, true));
        assertThat(readChannel(channel, 1_000, 1, 1)).isEqualTo(none);
    }

    @Test
    void anyPositionCanBeReadOnFrom() {
        long channel = begin("chat").channel();
        long left = stream("chat:left");
        long right = stream("chat:right");
        Writer writer = new Writer(log());
        for (int round = 0; round < 20; round++) {
            writer.store(left, entries(1 + 100 * round, 100 + 100 * round));
            writer.store(right, Entry.at(1 + round));
        }
        List<String> places = placesOf(channel);

        assertThat(places).hasSize(20 * 101);
        for (int from = 1; from <= places.size(); from += 37) {
            ChannelLog.Page page = readChannel(channel, from, 300, NO_LIMIT);
            assertThat(page.items().stream().map(item -> item.topic() + " " + offsetOf(item)))
                    .containsExactlyElementsOf(places.subList(from - 1, Math.min(places.size(), from + 299)));
        }
    }

    @Test
    void whoReadsAChannelIsToldOfWhatCanBeReadThen() {
        AtomicReference<Long> told = new AtomicReference<>(0L);
        List<String> wrong = new CopyOnWriteArrayList<>();
        AtomicReference<Long> begun = new AtomicReference<>();
        channels().listener((channel, nextPosition) -> {
            if (!begun.get().equals(channel) || told.get() >= nextPosition) {
                wrong.add(channel + " " + nextPosition + " after " + told.get());
            }
            told.set(nextPosition);
        });
        long channel = begin("chat").channel();
        begun.set(channel);
        long stream = stream("chat:a");
        long other = stream("other:a");
        Writer writer = new Writer(log());

        for (long offset = 1; offset <= 200; offset++) {
            writer.append(false, other, Entry.at(offset));
            long ticket = writer.append(false, stream, Entry.at(offset));
            long deadlineNs = ShardClock.monotonicNs() + 20_000_000_000L;
            while (told.get() <= offset) {
                assertThat(ShardClock.monotonicNs()).as("told of %s", offset).isLessThan(deadlineNs);
                Thread.onSpinWait();
            }
            assertThat(readChannel(channel, offset, 10, NO_LIMIT).items()).hasSize(1);
            writer.await(false, ticket);
        }
        writer.store(other, Entry.at(1_000));
        assertThat(told.get()).isEqualTo(201);
        assertThat(wrong).isEmpty();
    }

    @Test
    void whatIsReleasedMayGoAndPositionsGoOn() {
        long channel = begin("chat").channel();
        long stream = stream("chat:a");
        Writer writer = new Writer(log());
        writer.store(stream, entries(1, 10));

        channels().release(channel, 4);
        channels().release(channel, 2);
        channels().release(channel, 11);
        channels().release(channel, 5);
        channels().release(channel + 1_000, 5);
        writer.store(stream, Entry.at(11));

        ChannelLog.Page page = readChannel(channel, 11, 10, NO_LIMIT);
        assertThat(page.items().stream().map(EngineContract::offsetOf)).containsExactly(11L);
        assertThat(page.firstPosition()).isLessThanOrEqualTo(11);
        assertThat(page.nextPosition()).isEqualTo(12);
    }

    @Test
    void anEndedLogIsEmptyAndGoesOnWithItsPositionsWhenItBeginsAnew() {
        long channel = begin("chat").channel();
        long stream = stream("chat:a");
        Writer writer = new Writer(log());
        writer.store(stream, entries(1, 10));

        assertThat(Asked.<Boolean>of(answer -> channels().end(channel, answer))).isTrue();
        assertThat(find("chat")).isNull();
        assertThat(placesOf(channel)).isEmpty();
        writer.store(stream, Entry.at(11));
        assertThat(placesOf(channel)).isEmpty();

        assertThat(begin("chat")).isEqualTo(new ChannelLog.Begun(channel, 11, 11));
        writer.store(stream, Entry.at(12), Entry.at(3), Entry.at(11), Entry.at(3));
        assertThat(placesOf(channel)).containsExactly("chat:a 12", "chat:a 3", "chat:a 11");
        assertThat(readChannel(channel, 1, 1, 1).items().get(0).position()).isEqualTo(11);
    }

    @Test
    void whatWasNotBegunIsEmptyAndHasNoEnd() {
        assertThat(Asked.<Boolean>of(answer -> channels().end(77, answer))).isFalse();
        assertThat(readChannel(77, 5, 10, 10)).isEqualTo(new ChannelLog.Page(List.of(), 1, 1, true));
        long channel = begin("chat").channel();
        assertThat(Asked.<Boolean>of(answer -> channels().end(channel, answer))).isTrue();
        assertThat(Asked.<Boolean>of(answer -> channels().end(channel, answer))).isFalse();
    }

    @Test
    void beginningsAndEndsHaveTheirEffectInTheOrderAsked() {
        for (int round = 0; round < 20; round++) {
            Asked<ChannelLog.Begun> first = Asked.asked(answer -> channels().begin("acme", "chat", answer));
            long channel = first.result().channel();
            Asked<Boolean> end = Asked.asked(answer -> channels().end(channel, answer));
            Asked<ChannelLog.Begun> again = Asked.asked(answer -> channels().begin("acme", "chat", answer));

            assertThat(end.result()).isTrue();
            assertThat(again.result().channel()).isEqualTo(channel);
            assertThat(find("chat")).isNotNull();
            Asked<Boolean> last = Asked.asked(answer -> channels().end(channel, answer));
            assertThat(last.result()).isTrue();
            assertThat(find("chat")).isNull();
        }
    }

    @Test
    void whatIsAskedOfAClosedEnginesChannelsIsAnsweredClosed() {
        long channel = begin("chat").channel();
        engine.close();

        assertThat(Asked.<ChannelLog.Begun>faultOf(answer -> channels().begin("acme", "chat", answer)))
                .isEqualTo(EngineFault.CLOSED);
        assertThat(Asked.<ChannelLog.@Nullable Begun>faultOf(
                        answer -> channels().find("acme", "chat", answer)))
                .isEqualTo(EngineFault.CLOSED);
        assertThat(Asked.<ChannelLog.Page>faultOf(answer -> channels().read(channel, 1, 1, 1, answer)))
                .isEqualTo(EngineFault.CLOSED);
        assertThat(Asked.<Boolean>faultOf(answer -> channels().end(channel, answer)))
                .isEqualTo(EngineFault.CLOSED);
        channels().release(channel, 5);
    }

    // --- the end

    @Test
    void whatIsAskedOfAClosedEngineIsAnsweredClosed() {
        long stream = stream("closed");
        Writer writer = new Writer(log());
        engine.close();

        assertThat(Asked.<EventLog.Opened>faultOf(answer -> log().open("acme", "closed", 7, answer)))
                .isEqualTo(EngineFault.CLOSED);
        assertThat(Asked.<EventLog.Opened>faultOf(answer -> log().open("acme", "new", 7, answer)))
                .isEqualTo(EngineFault.CLOSED);
        assertThat(Asked.<EventLog.Recalled>faultOf(answer -> log().recall(stream, 1, 1, answer)))
                .isEqualTo(EngineFault.CLOSED);
        assertThat(Asked.<EventLog.Page>faultOf(
                        answer -> log().read(new EventLog.Order(stream, 1, 2, false, 1, 1), answer)))
                .isEqualTo(EngineFault.CLOSED);
        assertThat(Asked.<Long>faultOf(answer -> log().offsetAt(stream, 1, answer)))
                .isEqualTo(EngineFault.CLOSED);
        assertThat(Asked.<EventLog.Page>faultOf(answer -> log().lastOfKeys(stream, FIRST_PAGE, 1, 1, answer)))
                .isEqualTo(EngineFault.CLOSED);
        assertThat(Asked.<KeyedState.@Nullable Value>faultOf(
                        answer -> engine.state().get("s", bytes("k"), answer)))
                .isEqualTo(EngineFault.CLOSED);
        assertThat(Asked.<KeyedState.Outcome>faultOf(answer -> engine.state()
                        .put("s", bytes("k"), KeyedState.ANY_VERSION, bytes("v"), Long.MAX_VALUE, answer)))
                .isEqualTo(EngineFault.CLOSED);
        assertThat(Asked.<List<KeyedState.Value>>faultOf(
                        answer -> engine.state().scan("s", bytes(""), null, 1, answer)))
                .isEqualTo(EngineFault.CLOSED);
        if (writer.appender().hasRoom(false, Entry.at(1).bytes())) {
            assertThat(writer.outcome(false, writer.append(false, stream, Entry.at(1))))
                    .isEqualTo(EngineFault.CLOSED);
        }
        engine.close();
    }

    @Test
    void whatWasAppendedIsCompletedBeforeACloseEnds() {
        long stream = stream("closing");
        Writer writer = new Writer(log());
        for (int offset = 1; offset <= 1_000; offset++) {
            writer.append(false, stream, Entry.at(offset));
        }

        engine.close();

        assertThat(writer.isCompleted(false, 1_000)).isTrue();
    }

    @Test
    void aNodeDoesNotHearItself() {
        List<String> heard = new ArrayList<>();
        engine.bus().listener((org, topic, signal) -> heard.add(topic));
        engine.bus().interest("acme", "chat", true);

        engine.bus().tell("acme", "chat", Unpooled.wrappedBuffer(new byte[8]));

        engine.close();
        assertThat(heard).isEmpty();
    }

    @Test
    void anEngineThatIsWellSaysSo() {
        assertThat(engine.status().fault()).isNull();
        assertThat(engine.status().reason()).isEmpty();
    }
}
