package hermod.broker.engine.embedded;

import hermod.broker.engine.Asked;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.Entry;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.Retention;
import io.netty.buffer.ByteBuf;
import java.nio.file.Path;

/** Appends to its streams, and says what was acknowledged, until it is killed. */
final class EngineChild {
    static final int STREAM_COUNT = 10;
    static final int EPOCH = 9;
    private static final int WINDOW = 500;

    private EngineChild() {}

    static Entry entry(long offset) {
        return Entry.at(offset).of(5, offset).by(9, offset).key("key" + offset % 3);
    }

    public static void main(String[] args) throws Exception {
        Engine engine =
                EmbeddedEngine.open(Path.of(args[0]), EmbeddedEngineTest.small(), (org, topic) -> Retention.ALL);
        long[] streams = new long[STREAM_COUNT];
        long[] firsts = new long[STREAM_COUNT];
        for (int i = 0; i < STREAM_COUNT; i++) {
            String topic = "topic" + i;
            EventLog.Opened opened = Asked.of(answer -> engine.events().open("acme", topic, EPOCH, answer));
            streams[i] = opened.stream();
            firsts[i] = opened.nextOffset();
        }
        Thread counter = new Thread(() -> {
            for (long count = System.nanoTime(); ; count++) {
                EmbeddedEngineTest.putCounter(engine, Long.toString(count));
                System.out.println("counter " + count);
            }
        });
        counter.setDaemon(true);
        counter.start();
        append(engine, streams, firsts);
    }

    private static void append(Engine engine, long[] streams, long[] firsts) throws InterruptedException {
        Object lock = new Object();
        long[] done = {0};
        EventLog.Appender appender = engine.events().appender(new EventLog.Completion() {
            @Override
            public void onStored(boolean isUrgent, long ticket) {
                synchronized (lock) {
                    for (long each = done[0] + 1; each <= ticket; each++) {
                        int stream = (int) (each % STREAM_COUNT);
                        System.out.println(stream + " " + (firsts[stream] + (each - 1) / STREAM_COUNT) + " .");
                    }
                    done[0] = ticket;
                    lock.notifyAll();
                }
            }

            @Override
            public void onFailed(boolean isUrgent, long ticket, EngineFault fault) {
                Runtime.getRuntime().halt(3);
            }
        });
        for (long ticket = 1; ; ticket++) {
            int stream = (int) (ticket % STREAM_COUNT);
            ByteBuf entries = Entry.buffer(entry(firsts[stream] + (ticket - 1) / STREAM_COUNT));
            synchronized (lock) {
                while (ticket - done[0] > WINDOW) {
                    lock.wait();
                }
            }
            appender.append(false, streams[stream], entries);
            entries.release();
            appender.flush();
        }
    }
}
