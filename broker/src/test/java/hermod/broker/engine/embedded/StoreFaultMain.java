package hermod.broker.engine.embedded;

import hermod.broker.engine.Asked;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.Entry;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.Retention;
import hermod.broker.engine.Writer;
import java.nio.file.Path;

/** Appends, and now and then reads the last event, until it is killed. Says {@code A offset} for what is stored, {@code F fault} for what is not, and {@code R offset} or {@code R fault} for what was read. */
final class StoreFaultMain {
    static final String TOPIC = "topic";
    private static final int TEXT_BYTES = 20_000;
    private static final int READ_EVERY = 50;

    private StoreFaultMain() {}

    static Entry entry(long offset) {
        return Entry.at(offset).of(5, offset).by(9, offset).text("x".repeat(TEXT_BYTES));
    }

    /** Flushes every MiB; a read waits a second. */
    static EmbeddedConfig config() {
        return new EmbeddedConfig(
                new JournalConfig(4 << 20, 64 << 20, 4 << 20, 1 << 20, 1 << 20, 65_536, 50, 100, 4),
                new StoreConfig(16 << 20, 1 << 20, 1 << 20, 2, 4_096, 1_000, 1, 2, 1L << 30, 1_000_000));
    }

    public static void main(String[] args) throws Exception {
        Engine engine = EmbeddedEngine.open(Path.of(args[0]), config(), (org, topic) -> Retention.ALL);
        EventLog.Opened opened = Asked.of(answer -> engine.events().open("acme", TOPIC, 9, answer));
        Writer writer = new Writer(engine.events());
        long offset = opened.nextOffset();
        for (int i = 1; ; i++) {
            EngineFault fault = EngineFault.BUSY;
            if (writer.appender().hasRoom(false, TEXT_BYTES + 1_000)) {
                fault = writer.outcome(false, writer.append(false, opened.stream(), entry(offset)));
            }
            if (fault == null) {
                System.out.println("A " + offset);
                offset++;
            } else {
                System.out.println("F " + fault);
                // what was refused is asked again, not at once
                Thread.sleep(20);
            }
            if (i % READ_EVERY == 0) {
                System.out.println("R " + read(engine, opened.stream(), offset - 1));
            }
        }
    }

    private static String read(Engine engine, long stream, long offset) {
        Asked<EventLog.Page> asked = Asked.asked(answer ->
                engine.events().read(new EventLog.Order(stream, offset, offset + 1, false, 1, 1 << 20), answer));
        EngineFault fault = asked.fault();
        return fault == null ? Long.toString(Entry.of(asked.result()).get(0).offset()) : fault.toString();
    }
}
