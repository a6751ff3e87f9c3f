package hermod.bench.account;

import com.google.protobuf.MessageLite;
import hermod.bench.account.Account.Subscriber;
import hermod.bench.account.Account.Sums;
import hermod.bench.account.Author.Draft;
import hermod.bench.account.Note.Kind;
import hermod.bench.micro.BareBroker;
import hermod.broker.outbox.OutboxConfig;
import hermod.broker.shard.ShardClock;
import hermod.broker.shard.ShardConfig;
import hermod.broker.topic.ChannelPolicy;
import hermod.broker.topic.TopicConfig;
import hermod.protocol.CloseCode;
import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.FilteredTopic;
import hermod.protocol.control.wire.Replace;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Unsubscribe;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** One broker, a few publishers and subscribers, and what happens to them, all drawn from one seed. Used once, by one thread. */
final class Script {
    /** Of all scripts. */
    static final class Totals {
        Sums sums = Sums.none();
        long published;
        long refused;
        int connections;
        int closed;

        @Override
        public String toString() {
            return "published=" + published + ", refused=" + refused + ", connections=" + connections + ", closed="
                    + closed + ", " + sums;
        }
    }

    private static final long START_US = 1_700_000_000_000_000L;
    private static final int TOPICS = 6;
    private static final int AUTHORS = 2;
    private static final int UNANSWERED_MAX = 100;
    private static final int TICK_MS = 100;

    /** Longer than what the ladder or a batch waits for before it lets go. */
    private static final int FINAL_TICKS = 400;

    /** The time of the whole broker. */
    private static final class Time {
        long us = START_US;

        ShardClock clock() {
            return new ShardClock() {
                @Override
                protected long readNs() {
                    return us * 1_000;
                }

                @Override
                protected long readWallUs() {
                    return us;
                }
            };
        }
    }

    private static final class Reader {
        final SlowSocket socket;
        final BareBroker.Client connection;
        final Subscriber who;

        Reader(SlowSocket socket, BareBroker.Client connection, Subscriber who) {
            this.socket = socket;
            this.connection = connection;
            this.who = who;
        }
    }

    private record Room(String topic, ChannelPolicy policy, int handle) {}

    private final Random random;
    private final Time time = new Time();
    private final Truth truth = new Truth();
    private final int shardCount;
    private final BareBroker broker;
    private final List<Author> authors = new ArrayList<>();
    private final List<Room> rooms = new ArrayList<>();
    private final List<Reader> readers = new ArrayList<>();

    Script(long seed) {
        random = new Random(seed);
        shardCount = 1 + random.nextInt(3);
        Map<String, ChannelPolicy> channels = channels();
        int limitBytes = 16_384 << random.nextInt(3);
        broker = BareBroker.ofOneThread(
                shardCount,
                new BareBroker.Setup(
                        channels,
                        Configs.with(
                                ShardConfig.defaults(),
                                Map.of("ringCapacityBytes", 65_536, "turnRecordLimitCount", 1 + random.nextInt(64))),
                        Configs.with(
                                OutboxConfig.defaults(),
                                Map.of(
                                        "limitBytes",
                                        limitBytes,
                                        "urgentReserveBytes",
                                        limitBytes / 4,
                                        "freeBurstBytes",
                                        random.nextBoolean() ? 0 : 8_192)),
                        topicConfig(),
                        Integer.MAX_VALUE,
                        time::clock));
        for (int i = 0; i < AUTHORS; i++) {
            Author author = new Author("author" + i, random.nextInt(shardCount), truth, i * 1_000_000_000L);
            author.connection(broker.client(author.shard(), author.user(), author));
            authors.add(author);
        }
        List<String> names = new ArrayList<>(channels.keySet());
        for (int i = 0; i < TOPICS; i++) {
            String channel = names.get(i % names.size());
            String topic = channel + ":" + i;
            int handle = 0;
            for (Author author : authors) {
                handle = author.open(topic);
            }
            rooms.add(new Room(topic, channels.get(channel), handle));
        }
    }

    /** Small enough that windows lose what somebody still wants. */
    private TopicConfig topicConfig() {
        int shift = random.nextInt(3);
        return Configs.with(
                TopicConfig.defaults(),
                Map.of(
                        "chunkBytes",
                        4_096,
                        "replaySeconds",
                        1 + random.nextInt(3),
                        "replayTopicBytes",
                        8_192L << 2 * shift,
                        "replayLimitBytes",
                        65_536L << shift));
    }

    private Map<String, ChannelPolicy> channels() {
        Map<String, ChannelPolicy> channels = new TreeMap<>();
        for (Priority lane : Priority.values()) {
            channels.put(
                    lane.name().toLowerCase(Locale.ROOT),
                    Configs.with(
                            ChannelPolicy.defaults(),
                            Map.of(
                                    "lane",
                                    lane,
                                    "ceiling",
                                    random.nextInt(4) == 0 ? lane : Priority.URGENT,
                                    "keeps",
                                    random.nextInt(3) == 0 ? "none" : "replay-window",
                                    "conflateBy",
                                    lane == Priority.LOW && random.nextBoolean() ? Filters.KIND : "none",
                                    "tier",
                                    6 - lane.code(),
                                    "windowMinEvents",
                                    random.nextInt(20))));
        }
        return channels;
    }

    void play(Totals totals) {
        int readerCount = 2 + random.nextInt(4);
        for (int i = 0; i < readerCount; i++) {
            connect(i);
        }
        int steps = 200 + random.nextInt(1_000);
        for (int i = 0; i < steps; i++) {
            step();
        }
        boolean isDrained = random.nextInt(8) != 0;
        if (isDrained) {
            drain();
        } else {
            broker.settle();
        }
        account(isDrained, totals);
        broker.close();
    }

    private void connect(int number) {
        SlowSocket socket = new SlowSocket(() -> time.us);
        long features = 0;
        for (Feature feature : List.of(Feature.GAP, Feature.CREDIT, Feature.FILTER)) {
            features |= random.nextInt(4) == 0 ? 0 : feature.bit();
        }
        // Some share an author's device, for events that leave it out.
        String user = random.nextInt(3) == 0 ? "author" + random.nextInt(AUTHORS) : "reader" + number;
        BareBroker.Client connection = broker.client(random.nextInt(shardCount), user, features, socket);
        boolean isTold = Feature.GAP.isIn(socket.features());
        boolean hasCredit = Feature.CREDIT.isIn(socket.features());
        boolean hasFilters = Feature.FILTER.isIn(socket.features());
        if (socket.features() != features) {
            throw new AssertionError("asked for features " + features + ", agreed to " + socket.features());
        }
        Reader reader =
                new Reader(socket, connection, new Subscriber(user, isTold, hasCredit, hasFilters, handle -> false));
        readers.add(reader);
        if (hasCredit && random.nextInt(8) != 0) {
            grant(reader, 1 + random.nextInt(40_000));
        }
        for (Room room : rooms) {
            if (random.nextBoolean()) {
                subscribe(reader, room);
            }
        }
    }

    private void step() {
        int dice = random.nextInt(100);
        if (dice < 35) {
            publish();
        } else if (dice < 75) {
            broker.runOneTask(random.nextInt(shardCount));
        } else if (dice < 80) {
            broker.runTasks(random.nextInt(shardCount));
        } else if (dice < 90) {
            read();
        } else if (dice < 94) {
            Reader reader = anyReader();
            if (reader.who.hasCredit()) {
                grant(reader, 1 + random.nextInt(20_000));
            }
        } else if (dice < 97) {
            wish();
        } else if (dice < 99) {
            pass(1 + random.nextInt(3));
        } else if (random.nextInt(20) == 0) {
            storm();
        }
    }

    private Reader anyReader() {
        return readers.get(random.nextInt(readers.size()));
    }

    private void publish() {
        Author author = authors.get(random.nextInt(AUTHORS));
        if (author.unansweredCount() > UNANSWERED_MAX) {
            // Its outcomes would fill its outbox: a shard that takes no turns reads no socket either.
            broker.settle();
        }
        int count = 1 + random.nextInt(random.nextInt(10) == 0 ? 40 : 5);
        publish(author, rooms.get(random.nextInt(rooms.size())), count, 600);
    }

    private void publish(Author author, Room room, int count, int payloadMax) {
        Priority given = random.nextInt(3) == 0 ? Priority.ofCode(random.nextInt(Priority.COUNT)) : null;
        boolean isExcluding = random.nextInt(5) == 0;
        List<Draft> drafts = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Map<String, String> attributes = attributes();
            drafts.add(new Draft(
                    Long.BYTES + random.nextInt(payloadMax),
                    time.us,
                    random.nextInt(6) == 0 ? 1 : 0,
                    isExcluding,
                    attributes,
                    room.policy.conflates() ? attributes.get(Filters.KIND) : null));
        }
        author.publish(room.handle, given, effective(room.policy, given), drafts);
    }

    private Map<String, String> attributes() {
        Map<String, String> attributes = new HashMap<>();
        if (random.nextInt(4) != 0) {
            attributes.put(Filters.KIND, "k" + random.nextInt(4));
        }
        if (random.nextBoolean()) {
            attributes.put(Filters.SIZE, Integer.toString(random.nextInt(10)));
        }
        return attributes;
    }

    private static Priority effective(ChannelPolicy policy, @Nullable Priority given) {
        if (given == null) {
            return policy.lane();
        }
        return given.compareTo(policy.ceiling()) > 0 ? policy.ceiling() : given;
    }

    /** One shard is left alone while another one's topics get more runs than may lie between them. */
    private void storm() {
        int stalled = random.nextInt(shardCount);
        Author author = authors.get(random.nextInt(AUTHORS));
        Room room = rooms.get(random.nextInt(rooms.size()));
        for (int i = 0; i < 3_000 && author.shard() != stalled; i++) {
            publish(author, room, 1, 16);
            for (int shard = 0; shard < shardCount; shard++) {
                if (shard != stalled) {
                    broker.runTasks(shard);
                }
            }
        }
    }

    private void read() {
        Reader reader = anyReader();
        if (reader.socket.read(random.nextInt(12_000)) && !reader.connection.isClosed()) {
            reader.connection.onWritable();
        }
    }

    private void grant(Reader reader, int bytes) {
        if (reader.connection.isClosed()) {
            return;
        }
        reader.socket.note(Note.of(Kind.CREDIT, 0, bytes, 0));
        ByteBuf frame = Unpooled.buffer();
        FlowFrames.writeOneNumber(frame, FrameType.CREDIT, 0, bytes);
        reader.connection.receive(frame);
    }

    private void wish() {
        Reader reader = anyReader();
        // One at a time, so that the script knows what it has.
        if (reader.connection.isClosed() || reader.socket.askedCount() > 0) {
            return;
        }
        Room room = anyRoom();
        if (reader.who.hasFilters() && random.nextBoolean()) {
            replace(reader);
        } else if (reader.socket.handles().containsKey(room.topic)) {
            unsubscribe(reader, room);
        } else {
            subscribe(reader, room);
        }
    }

    private Room anyRoom() {
        return rooms.get(random.nextInt(rooms.size()));
    }

    /** A filter's number, or -1 for none. */
    private int anyFilter(Reader reader) {
        return reader.who.hasFilters() ? random.nextInt(Filters.count() + 2) - 2 : -1;
    }

    private void subscribe(Reader reader, Room room) {
        int filter = Math.max(-1, anyFilter(reader));
        Subscribe.Builder wish = Subscribe.newBuilder();
        if (filter < 0) {
            wish.addTopics(room.topic);
        } else {
            wish.addFiltered(filtered(room, filter));
        }
        say(reader, FrameType.SUBSCRIBE, Map.of(room.topic, filter), wish.build());
    }

    private static FilteredTopic.Builder filtered(Room room, int filter) {
        return FilteredTopic.newBuilder().setTopic(room.topic).setFilter(Filters.told(filter));
    }

    private void unsubscribe(Reader reader, Room room) {
        Integer handle = reader.socket.handles().remove(room.topic);
        if (handle != null) {
            Unsubscribe wish = Unsubscribe.newBuilder().addHandles(handle).build();
            say(reader, FrameType.UNSUBSCRIBE, Map.of(), wish);
        }
    }

    private void replace(Reader reader) {
        Replace.Builder wish = Replace.newBuilder().setKeepOthers(random.nextBoolean());
        Map<String, Integer> filters = new HashMap<>();
        for (Room room : rooms) {
            int filter = Math.max(-1, anyFilter(reader));
            if (random.nextInt(3) == 0) {
                continue;
            }
            filters.put(room.topic, filter);
            if (filter < 0) {
                wish.addTopics(room.topic);
            } else {
                wish.addFiltered(filtered(room, filter));
            }
        }
        say(reader, FrameType.REPLACE, filters, wish.build());
    }

    private static void say(Reader reader, FrameType type, Map<String, Integer> filters, MessageLite message) {
        int requestId = reader.socket.asks(filters);
        ByteBuf frame = ControlCodec.encode(UnpooledByteBufAllocator.DEFAULT, type, requestId, message);
        reader.connection.receive(frame);
        frame.release();
    }

    /** Time passes, and every shard sees it at once. */
    private void pass(int ticks) {
        for (int i = 0; i < ticks; i++) {
            time.us += TICK_MS * 1_000L;
            for (int shard = 0; shard < shardCount; shard++) {
                broker.tick(shard);
            }
        }
    }

    /** Everybody reads, everybody has credit, and the broker has time. */
    private void drain() {
        for (Reader reader : readers) {
            boolean isWritableNow = reader.socket.openWide();
            if (!reader.connection.isClosed() && isWritableNow) {
                reader.connection.onWritable();
            }
            if (reader.who.hasCredit()) {
                grant(reader, Integer.MAX_VALUE);
            }
        }
        broker.settle();
        for (int i = 0; i < FINAL_TICKS; i++) {
            pass(1);
            broker.settle();
        }
    }

    private void account(boolean isDrained, Totals totals) {
        truth.checkDense();
        for (Author author : authors) {
            if (author.unansweredCount() > 0) {
                throw new AssertionError("publishes without an outcome: " + author.unansweredCount());
            }
            totals.refused += author.refusedCount();
        }
        Map<String, Long> delivered = new HashMap<>();
        for (int i = 0; i < readers.size(); i++) {
            Reader reader = readers.get(i);
            List<Note> notes = reader.socket.notes();
            Sums sums;
            try {
                sums = new Account(truth, reader.who).check(notes, isDrained, time.us);
            } catch (AssertionError fault) {
                throw new AssertionError("reader " + i + ", " + reader.who + ": " + fault.getMessage(), fault);
            }
            checkClose(reader, notes);
            totals.sums = totals.sums.plus(sums);
            totals.connections++;
            totals.closed += reader.connection.isClosed() ? 1 : 0;
            delivered.merge("all", sums.delivered(), Long::sum);
        }
        totals.published += truth.count();
        long counted = broker.metrics().channels().stream()
                .mapToLong(each -> each.delivered())
                .sum();
        if (counted != delivered.getOrDefault("all", 0L)) {
            throw new AssertionError("the broker counted " + counted + " deliveries; there were " + delivered);
        }
    }

    /** Who agreed to be told of gaps is not closed for being slow; who did not is closed rather than sent a stream with a hole. */
    private static void checkClose(Reader reader, List<Note> notes) {
        if (notes.isEmpty() || notes.get(notes.size() - 1).kind() != Kind.CLOSE) {
            return;
        }
        long code = notes.get(notes.size() - 1).from();
        boolean isForSlowness = code == CloseCode.SLOW_CONSUMER.code() || code == CloseCode.LAGGED.code();
        if (!isForSlowness || reader.who.isTold()) {
            throw new AssertionError("closed with " + code + " though it agreed to GAP=" + reader.who.isTold());
        }
    }
}
