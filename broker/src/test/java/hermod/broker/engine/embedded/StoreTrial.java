package hermod.broker.engine.embedded;

import hermod.broker.engine.Asked;
import hermod.broker.engine.Engine;
import hermod.broker.engine.Entry;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.Retention;
import hermod.broker.engine.Writer;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.file.Path;

/**
 * What ADR 0061 quotes; not a test. {@code puts <dir>}: how many events of 256 B a second the store's thread takes; {@code indexed <dir>}: the same of a channel that was begun. {@code fill <dir>}: 1,000,000 events in 10,000 topics, then the process dies without closing. {@code open <dir>}: how long
 * opening takes from the start of the JVM.
 */
final class StoreTrial {
    private static final int TOPICS = 10_000;
    private static final int EVENTS = 1_000_000;
    private static final int BATCH_EVENTS = 256;

    private StoreTrial() {}

    public static void main(String[] args) throws Exception {
        Path dir = Path.of(args[1]);
        switch (args[0]) {
            case "puts" -> puts(dir, false);
            case "indexed" -> puts(dir, true);
            case "fill" -> fill(dir);
            case "open" -> open(dir);
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    private static Entry entry(long n) {
        long offset = n / TOPICS + 1;
        Entry entry = Entry.at(offset).of(1 + n % 1_000, offset).by(n % 1_000, offset);
        return entry.text("x".repeat(256 - entry.text("").bytes()));
    }

    private static void puts(Path dir, boolean isIndexed) throws Exception {
        StoreConfig config = StoreConfig.defaults();
        RocksStore store = RocksStore.open(dir, config);
        Puts puts = new Puts(store);
        int batches = EVENTS / BATCH_EVENTS;
        ByteBuf[] records = new ByteBuf[batches];
        puts.add(1, topics(isIndexed));
        puts.write();
        long made = 0;
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < batches; i++) {
                records[i] = records[i] == null ? Unpooled.directBuffer(BATCH_EVENTS * 300) : records[i].clear();
                for (int j = 0; j < BATCH_EVENTS; j++, made++) {
                    ByteBuf payload = Unpooled.buffer().writeLongLE(1 + made % TOPICS);
                    entry(made).write(payload);
                    JournalRecords.write(records[i], StoreRecords.EVENTS, payload, 0, payload.readableBytes());
                }
            }
            long n = (long) batches * BATCH_EVENTS;
            long startNs = System.nanoTime();
            for (int i = 0; i < batches; i++) {
                puts.add(2 + (long) round * batches + i, records[i]);
                if (puts.bytes() > 1 << 20) {
                    puts.write();
                }
            }
            puts.write();
            long ns = System.nanoTime() - startNs;
            System.out.printf("round %d: %,d events/s%n", round, n * 1_000_000_000L / ns);
            long flushNs = System.nanoTime();
            store.flush();
            System.out.printf("flush: %d ms%n", (System.nanoTime() - flushNs) / 1_000_000);
        }
        puts.close();
        store.close();
    }

    private static ByteBuf topics(boolean isIndexed) {
        ByteBuf records = Unpooled.directBuffer();
        ByteBuf payload = Unpooled.buffer();
        for (int i = 0; i < TOPICS; i++) {
            StoreRecords.writeStream(payload.clear(), 1 + i, 9, "acme", "chat:" + i);
            JournalRecords.write(records, StoreRecords.STREAM, payload, 0, payload.readableBytes());
        }
        if (isIndexed) {
            StoreRecords.writeChannel(payload.clear(), 1, true, "acme", "chat");
            JournalRecords.write(records, StoreRecords.CHANNEL, payload, 0, payload.readableBytes());
        }
        return records;
    }

    private static void fill(Path dir) throws Exception {
        Engine engine = EmbeddedEngine.open(dir, EmbeddedConfig.defaults(), (org, topic) -> Retention.ALL);
        long startNs = System.nanoTime();
        long[] streams = new long[TOPICS];
        Asked<?>[] asked = new Asked<?>[TOPICS];
        for (int from = 0; from < TOPICS; from += 1_000) {
            for (int i = from; i < from + 1_000; i++) {
                String topic = "topic" + i;
                asked[i] =
                        Asked.<EventLog.Opened>asked(answer -> engine.events().open("acme", topic, 9, answer));
            }
            for (int i = from; i < from + 1_000; i++) {
                streams[i] = ((EventLog.Opened) asked[i].result()).stream();
            }
        }
        System.out.printf("opened: %d ms%n", (System.nanoTime() - startNs) / 1_000_000);
        startNs = System.nanoTime();
        Writer writer = new Writer(engine.events());
        long last = 0;
        for (long n = 0; n < EVENTS; n++) {
            while (!writer.appender().hasRoom(false, 300)) {
                Thread.onSpinWait();
            }
            last = writer.append(false, streams[(int) (n % TOPICS)], entry(n));
        }
        writer.await(false, last);
        System.out.printf(
                "%,d events/s; status %s%n", EVENTS * 1_000_000_000L / (System.nanoTime() - startNs), engine.status());
        Runtime.getRuntime().halt(137);
    }

    private static void open(Path dir) throws Exception {
        long startNs = System.nanoTime();
        EmbeddedEngine.preload();
        long loadedNs = System.nanoTime();
        Engine engine = EmbeddedEngine.open(dir, EmbeddedConfig.defaults(), (org, topic) -> Retention.ALL);
        long openedNs = System.nanoTime();
        EventLog.Opened opened = Asked.of(answer -> engine.events().open("acme", "topic77", 1, answer));
        System.out.printf(
                "native library %d ms, open %d ms, first topic %d ms: %s%n",
                (loadedNs - startNs) / 1_000_000,
                (openedNs - loadedNs) / 1_000_000,
                (System.nanoTime() - openedNs) / 1_000_000,
                opened);
        Runtime.getRuntime().halt(0);
    }
}
