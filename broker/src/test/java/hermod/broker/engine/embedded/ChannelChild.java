package hermod.broker.engine.embedded;

import hermod.broker.engine.Asked;
import hermod.broker.engine.ChannelLog;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.Entry;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.Retention;
import hermod.broker.engine.StoredEntry;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.file.Path;

/** Appends to topics of a channel, and says what was acknowledged and what is read at which position, until it is killed. */
final class ChannelChild {
    static final int STREAM_COUNT = 5;
    private static final int WINDOW = 500;

    private ChannelChild() {}

    public static void main(String[] args) throws Exception {
        Engine engine =
                EmbeddedEngine.open(Path.of(args[0]), EmbeddedEngineTest.small(), (org, topic) -> Retention.ALL);
        ChannelLog.Begun begun = Asked.of(answer -> engine.channels().begin("acme", "chat", answer));
        long[] streams = new long[STREAM_COUNT];
        long[] firsts = new long[STREAM_COUNT];
        for (int i = 0; i < STREAM_COUNT; i++) {
            String topic = "chat:" + i;
            EventLog.Opened opened = Asked.of(answer -> engine.events().open("acme", topic, 9, answer));
            streams[i] = opened.stream();
            firsts[i] = opened.nextOffset();
        }
        Thread reader = new Thread(() -> read(engine, begun));
        reader.setDaemon(true);
        reader.start();
        append(engine, streams, firsts);
    }

    private static void read(Engine engine, ChannelLog.Begun begun) {
        long position = begun.nextPosition();
        while (true) {
            long from = position;
            ChannelLog.Page page =
                    Asked.of(answer -> engine.channels().read(begun.channel(), from, 500, 65_536, answer));
            StringBuilder said = new StringBuilder();
            for (ChannelLog.Item item : page.items()) {
                said.append("read ")
                        .append(item.position())
                        .append(' ')
                        .append(item.topic())
                        .append(' ')
                        .append(StoredEntry.offset(Unpooled.wrappedBuffer(item.entry()), 0))
                        .append(" .\n");
                position = item.position() + 1;
            }
            System.out.print(said);
        }
    }

    private static void append(Engine engine, long[] streams, long[] firsts) throws InterruptedException {
        Object lock = new Object();
        long[] done = {0};
        EventLog.Appender appender = engine.events().appender(new EventLog.Completion() {
            @Override
            public void onStored(boolean isUrgent, long ticket) {
                synchronized (lock) {
                    StringBuilder said = new StringBuilder();
                    for (long each = done[0] + 1; each <= ticket; each++) {
                        int stream = (int) (each % STREAM_COUNT);
                        said.append("stored chat:")
                                .append(stream)
                                .append(' ')
                                .append(firsts[stream] + (each - 1) / STREAM_COUNT)
                                .append(" .\n");
                    }
                    System.out.print(said);
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
            ByteBuf entries = Entry.buffer(Entry.at(firsts[stream] + (ticket - 1) / STREAM_COUNT));
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
