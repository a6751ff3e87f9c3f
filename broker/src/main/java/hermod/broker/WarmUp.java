package hermod.broker;

import hermod.broker.admission.Authenticator;
import hermod.broker.admission.Identity;
import hermod.broker.admission.Rights;
import hermod.broker.admission.ServiceConfig;
import hermod.broker.admission.Verdict;
import hermod.broker.config.ConfigException;
import hermod.broker.session.PublishConfig;
import hermod.broker.session.SessionConfig;
import hermod.broker.shard.ShardClock;
import hermod.broker.shard.ShardConfig;
import hermod.broker.topic.ChannelPolicies;
import hermod.broker.transport.TransportConfig;
import hermod.protocol.CloseCode;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.PublishFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Has the JVM compile an event's way before the first client comes: real connections publish to and subscribe at a broker that listens on a free loopback port for that time and is then thrown away, with its topics, sessions, figures
 * and token. Code is the JVM's, not the broker's, so the broker that serves finds it compiled.
 *
 * <p>Takes as long as it is told and not longer, whatever happens; a warm-up that fails makes the first seconds slower and nothing else.
 */
final class WarmUp {
    /** How long it may take, beyond its time, to end by itself. */
    private static final int GRACE_MS = 300;

    private static final int PAYLOAD_LIMIT_BYTES = 8 * 1024;
    private static final int RING_BYTES = 256 * 1024;
    private static final int RATE_MAX = 10_000_000;
    private static final int TTL_SECONDS = 60;
    private static final int FANOUT_COUNT = 16;

    private final BrokerConfig config;
    private final int forMs;
    private final ShardClock clock = new ShardClock();
    private final List<WarmUpClient> clients = new CopyOnWriteArrayList<>();
    private final Pass pass = new Pass();
    private volatile boolean isOver;
    private volatile @Nullable Throwable failure;
    private volatile long eventCount;

    private WarmUp(BrokerConfig served, int forMs) {
        this.forMs = forMs;
        BrokerConfig defaults = BrokerConfig.defaults();
        TransportConfig transport = TransportConfig.defaults();
        SessionConfig session = SessionConfig.defaults();
        // What decides which code runs is as it will be; what costs memory is small.
        config = new BrokerConfig(
                defaults.dataDir(),
                false,
                0,
                defaults.homeRegion(),
                new TransportConfig(
                        served.transport().io(),
                        transport.host(),
                        false,
                        0,
                        0,
                        List.of(),
                        PAYLOAD_LIMIT_BYTES,
                        transport.handshakeTimeoutMs(),
                        transport.connectionsLimitCount(),
                        transport.connectionsPerAddressLimitCount(),
                        transport.connectionsPerUserLimitCount(),
                        transport.unauthenticatedLimitCount(),
                        served.transport().socketBurstBytes(),
                        served.transport().unsentLimitBytes()),
                defaults.admission(),
                new SessionConfig(
                        session.pingIntervalMs(),
                        session.silenceTimeoutMs(),
                        session.topicsPerConnectionLimitCount(),
                        RATE_MAX,
                        1 << 30),
                served.filter(),
                // Limits that are asked and never reached: asking is a part of the path.
                new PublishConfig(0, 0, RATE_MAX, RATE_MAX / 10, 0, 60_000, 1_000),
                ServiceConfig.defaults(),
                new ShardConfig(
                        served.shard().shardCount(),
                        RING_BYTES,
                        served.shard().turnRecordLimitCount(),
                        served.shard().spinUs()),
                defaults.outbox(),
                served.topic(),
                ChannelPolicies.defaults().withRate(RATE_MAX, RATE_MAX / 10),
                served.batching(),
                defaults.journal(),
                defaults.store(),
                defaults.history(),
                defaults.schedule(),
                defaults.groups(),
                defaults.redelivery(),
                defaults.safety(),
                defaults.metrics(),
                defaults.admin(),
                defaults.audit());
    }

    /**
     * What came of it.
     *
     * @param eventCount published in that time.
     * @param failure why it ended early, or null.
     */
    record Outcome(long eventCount, @Nullable Throwable failure) {}

    /**
     * Warms up and returns when it is over; a broker that serves must not have been started yet, or the two would share the cores.
     *
     * @param served what the broker will be told.
     */
    static Outcome run(BrokerConfig served, int forMs) {
        return new WarmUp(served, forMs).run();
    }

    private Outcome run() {
        try (Broker broker = Broker.startForWarmUp(config, pass)) {
            Thread driver = daemon("hermod-warm-up", () -> drive(broker));
            await(driver);
            isOver = true;
        } catch (ConfigException | IOException | RuntimeException failed) {
            note(failed);
        } finally {
            isOver = true;
            closeClients();
        }
        return new Outcome(eventCount, failure);
    }

    private void await(Thread driver) {
        try {
            driver.join(forMs + (long) GRACE_MS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            note(interrupted);
        }
    }

    private void note(Throwable failed) {
        // What fails because it was ended is no failure.
        if (!isOver && failure == null) {
            failure = failed;
        }
    }

    private Thread daemon(String name, Task body) {
        Thread thread = new Thread(
                () -> {
                    try {
                        body.run();
                    } catch (IOException | RuntimeException failed) {
                        note(failed);
                    }
                },
                name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private interface Task {
        void run() throws IOException;
    }

    private WarmUpClient connect(Broker broker, String token) throws IOException {
        WarmUpClient client = WarmUpClient.connect(broker.tcpAddress(), token, "warm-up");
        clients.add(client);
        return client;
    }

    private void closeClients() {
        for (WarmUpClient client : clients) {
            try {
                client.close();
            } catch (IOException gone) {
                // It is closed either way.
            }
        }
    }

    private void drive(Broker broker) throws IOException {
        clock.update();
        long untilNs = clock.nowNs() + TimeUnit.MILLISECONDS.toNanos(forMs);
        WarmUpClient backEnd = connect(broker, pass.unlimited);
        WarmUpClient person = connect(broker, pass.limited);
        WarmUpClient reader = connect(broker, pass.limited);
        WarmUpClient listener = connect(broker, pass.limited);
        List<WarmUpClient> many = new ArrayList<>();
        for (int i = 0; i < FANOUT_COUNT; i++) {
            many.add(connect(broker, pass.limited));
        }
        List<Exercise> exercises = List.of(
                // A burst that is read and written whole; a lane by weight.
                new Exercise(backEnd, List.of(reader), "tasks:flood", 128, 1_000, true),
                new Exercise(backEnd, many, "tasks:many", 128, 100, true),
                new Exercise(backEnd, List.of(reader), "tasks:large", 1_024, 200, true),
                // An event alone, also in the strict lane, also where the broker makes the id and counts the rate.
                new Exercise(person, List.of(listener), "chat:alone", 128, 1, false),
                new Exercise(person, List.of(listener), "safety:alone", 128, 1, false));
        int[] repeats = {12, 1, 1, 16, 4};
        for (WarmUpClient publisher : List.of(backEnd, person)) {
            daemon("hermod-warm-up-outcomes", publisher::skipAll);
        }
        for (int turn = 0; ; turn++) {
            for (int i = 0; i < repeats.length; i++) {
                for (int repeat = 0; repeat < repeats[i]; repeat++) {
                    clock.update();
                    // On a machine so busy that the time is over before the first one, there is one all the same.
                    if (isOver || (clock.nowNs() >= untilNs && eventCount > 0)) {
                        return;
                    }
                    eventCount += exercises.get(i).round(clock.nowUs());
                }
            }
            // Code that has never seen a newcomer is compiled without it, and thrown away when the first one comes.
            visit(broker, turn);
        }
    }

    /** A new connection publishes to a new topic, hears it, and goes. */
    private void visit(Broker broker, int number) throws IOException {
        try (WarmUpClient visitor =
                WarmUpClient.connect(broker.tcpAddress(), number % 2 == 0 ? pass.unlimited : pass.limited, "visitor")) {
            String topic = "tasks:visit-" + number;
            visitor.subscribe(topic);
            visitor.write(frame(visitor.open(topic), 1, 128, true).nioBuffer());
            eventCount++;
            visitor.readFrame();
            visitor.readFrame();
        }
    }

    private static ByteBuf frame(int handle, long sequence, int payloadBytes, boolean hasEventId) {
        ByteBuf frame = Unpooled.buffer();
        int fieldsBytes = hasEventId ? EventFields.HEAD_BYTES + EventFields.EVENT_ID_BYTES : 0;
        PublishFrame.writeHead(frame, 0, handle, 0, sequence, 0, TTL_SECONDS, 0, fieldsBytes, payloadBytes);
        if (hasEventId) {
            EventFields.write(frame, EventFields.TAG_EVENT_ID, new byte[EventFields.EVENT_ID_BYTES]);
        }
        return frame.writeZero(payloadBytes);
    }

    /**
     * One publisher, one topic and its subscribers: a batch of events is written, and the one before it read, so that the broker always has something to do; an event alone is waited for. What is read is only counted, so exercises with batches may share a subscriber.
     */
    private static final class Exercise {
        private static final int SEQUENCE_AT = FrameHeader.LENGTH;
        private static final int TIMESTAMP_AT = SEQUENCE_AT + PublishFrame.SEQUENCE_BYTES;
        private static final int EVENT_ID_AT = PublishFrame.FIXED_BYTES + EventFields.HEAD_BYTES;

        private final WarmUpClient publisher;
        private final List<WarmUpClient> subscribers;
        private final int count;
        private final boolean hasEventId;
        private final int frameBytes;
        private final long eventBytes;
        private final ByteBuffer batch;
        private long sequence;
        private long unreadBytes;

        Exercise(
                WarmUpClient publisher,
                List<WarmUpClient> subscribers,
                String topic,
                int payloadBytes,
                int count,
                boolean hasEventId)
                throws IOException {
            this.publisher = publisher;
            this.subscribers = subscribers;
            this.count = count;
            this.hasEventId = hasEventId;
            int handle = publisher.open(topic);
            for (WarmUpClient subscriber : subscribers) {
                subscriber.subscribe(topic);
            }
            ByteBuf frame = frame(handle, 0, payloadBytes, hasEventId);
            frameBytes = frame.readableBytes();
            batch = ByteBuffer.allocateDirect(frameBytes * count).order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < count; i++) {
                batch.put(frame.nioBuffer());
            }
            eventBytes = probe();
        }

        /** Publishes one event. @return the bytes that each subscriber got for it; all others will have as many. */
        private long probe() throws IOException {
            stamp(0, 0);
            batch.clear().limit(frameBytes);
            publisher.write(batch);
            publisher.readFrame();
            long bytes = 0;
            for (WarmUpClient subscriber : subscribers) {
                bytes = subscriber.readFrame().readableBytes();
            }
            return bytes;
        }

        /** @return events published. */
        int round(long nowUs) throws IOException {
            batch.clear();
            for (int i = 0; i < count; i++) {
                stamp(i * frameBytes, nowUs);
            }
            publisher.write(batch);
            long owedBytes = count * eventBytes;
            long readNow = count == 1 ? owedBytes : unreadBytes;
            unreadBytes = owedBytes;
            for (WarmUpClient subscriber : subscribers) {
                subscriber.skip(readNow);
            }
            return count;
        }

        private void stamp(int at, long nowUs) {
            sequence++;
            batch.putInt(at + FrameHeader.REQUEST_ID_AT, (int) sequence);
            batch.putLong(at + SEQUENCE_AT, sequence);
            batch.putLong(at + TIMESTAMP_AT, nowUs);
            if (hasEventId) {
                batch.putLong(at + EVENT_ID_AT, sequence);
            }
        }
    }

    /** Lets in who has one of two tokens that were made up for this warm-up. Any thread. */
    private static final class Pass implements Authenticator {
        private final String unlimited = secret();
        private final String limited = secret();
        private final Identity backEnd = new Identity(
                "warm-up", "warm-up", Rights.of(List.of("pub:*", "sub:*", "limits:service", "rate:unlimited")), 0);
        private final Identity person =
                new Identity("warm-up", "warm-up", Rights.of(List.of("pub:*", "sub:*", "urgent", "limits:service")), 0);

        private static String secret() {
            byte[] bytes = new byte[16];
            new SecureRandom().nextBytes(bytes);
            return HexFormat.of().formatHex(bytes);
        }

        @Override
        public void authenticate(String token, Consumer<Verdict> callback) {
            if (token.equals(unlimited)) {
                callback.accept(new Verdict.Accepted(backEnd));
            } else if (token.equals(limited)) {
                callback.accept(new Verdict.Accepted(person));
            } else {
                callback.accept(new Verdict.Refused(CloseCode.UNAUTHORIZED, CloseCode.UNAUTHORIZED.meaning()));
            }
        }

        @Override
        public void close() {
            // It has no thread.
        }
    }
}
