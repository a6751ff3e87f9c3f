package hermod.broker.audit;

import hermod.broker.engine.Answer;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.KeyedState;
import hermod.broker.engine.StoredEntry;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One writer's chain in the engine. Immutable.
 *
 * @param name {@code audit:} and the writer.
 * @param number of the engine's stream, by which it can be read while it is written.
 */
public record AuditStream(String name, long number) {
    /** The org that no token can name. */
    public static final String ORG = "$system";

    /** Of the engine's {@link KeyedState}: key is the stream's name, value its number in 8 bytes. */
    static final String SPACE = "audit";

    /** The operators' chain. */
    public static final String OPERATORS = "operators";

    private static final String PREFIX = "audit:";

    /** The chain of a shard. */
    public static String writerOf(int shard) {
        return "shard-" + shard;
    }

    /**
     * Where a chain goes on.
     *
     * @param sequence of the last record; 0 where there is none.
     * @param hash of it, or what the first record has in its place.
     * @param timeUs of it; 0 where there is none.
     * @param damage what was wrong with the last record, for people; empty where nothing was. The chain goes on behind it all the same: a broker must start, and {@link ChainCheck} will find the place.
     */
    public record Head(AuditStream stream, long sequence, byte[] hash, long timeUs, String damage) {}

    /**
     * Opens a writer's chain, made if need be, and notes it for {@link EngineAudit}. Any thread; while nothing is appended to it.
     *
     * @param answer comes on a thread of the engine's.
     */
    public static void open(Engine engine, String writer, Answer<Head> answer) {
        String name = PREFIX + writer;
        engine.events().open(ORG, name, 1, new Then<>(answer) {
            @Override
            public void onDone(EventLog.Opened opened) {
                note(engine, name, opened, answer);
            }
        });
    }

    /**
     * The same for whoever may wait: a thread that starts a broker.
     *
     * @throws IOException with a sentence for the operator if the engine can't.
     */
    public static Head open(Engine engine, String writer) throws IOException {
        EngineAudit.Told<Head> told = EngineAudit.ask(answer -> open(engine, writer, answer));
        if (told.result == null) {
            throw new IOException("the audit log can't be opened: " + PREFIX + writer + ": "
                    + (told.fault == null ? "there was no answer" : told.fault.sentence()));
        }
        return told.result;
    }

    private static void note(Engine engine, String name, EventLog.Opened opened, Answer<Head> answer) {
        AuditStream stream = new AuditStream(name, opened.stream());
        byte[] key = name.getBytes(StandardCharsets.UTF_8);
        byte[] value = ByteBuffer.allocate(Long.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(opened.stream())
                .array();
        engine.state().get(SPACE, key, new Answer<KeyedState.@Nullable Value>() {
            @Override
            public void onDone(KeyedState.@Nullable Value known) {
                if (known != null && Arrays.equals(known.bytes(), value)) {
                    readHead(engine, stream, opened, answer);
                    return;
                }
                engine.state()
                        .put(
                                SPACE,
                                key,
                                KeyedState.ANY_VERSION,
                                value,
                                KeyedState.NEVER_EXPIRES,
                                new Then<KeyedState.Outcome>(answer) {
                                    @Override
                                    public void onDone(KeyedState.Outcome outcome) {
                                        readHead(engine, stream, opened, answer);
                                    }
                                });
            }

            @Override
            public void onFault(EngineFault fault) {
                answer.onFault(fault);
            }
        });
    }

    private static void readHead(Engine engine, AuditStream stream, EventLog.Opened opened, Answer<Head> answer) {
        long last = opened.nextOffset() - 1;
        if (last == 0) {
            answer.onDone(new Head(stream, 0, RecordLayout.firstHash(stream.name()), 0, ""));
            return;
        }
        EventLog.Order newest = new EventLog.Order(stream.number(), last, 0, true, 1, RecordLayout.ENTRY_BYTES_MAX);
        engine.events().read(newest, new Answer<>() {
            @Override
            public void onDone(EventLog.Page page) {
                answer.onDone(headOf(stream, last, opened.storedAtUs(), page));
            }

            @Override
            public void onFault(EngineFault fault) {
                if (fault == EngineFault.CORRUPT) {
                    answer.onDone(unknown(stream, last, opened.storedAtUs(), "record " + last + " can't be read"));
                } else {
                    answer.onFault(fault);
                }
            }
        });
    }

    private static Head headOf(AuditStream stream, long last, long storedAtUs, EventLog.Page page) {
        ByteBuf in = Unpooled.wrappedBuffer(page.entries());
        if (page.count() == 0 || !RecordLayout.isEntry(in, 0)) {
            return unknown(stream, last, storedAtUs, "record " + last + " is missing");
        }
        AuditRecord record = AuditRecord.read(stream.name(), in, 0);
        byte[] hash = new byte[RecordLayout.HASH_BYTES];
        in.getBytes(StoredEntry.FIXED_BYTES + RecordLayout.OWN_HASH_AT, hash);
        String damage = "";
        if (!record.isIntact()) {
            damage = "record " + last + " does not match its hash";
        } else if (record.sequence() != last) {
            damage = "record " + last + " is missing, and the last one is " + record.sequence();
        }
        return new Head(stream, last, hash, Math.max(storedAtUs, record.timeUs()), damage);
    }

    /** Nothing can be chained to, so the next record stands on zeros. */
    private static Head unknown(AuditStream stream, long last, long storedAtUs, String damage) {
        return new Head(stream, last, new byte[RecordLayout.HASH_BYTES], storedAtUs, damage);
    }

    /** A step whose fault is the whole's. */
    private abstract static class Then<T> implements Answer<T> {
        private final Answer<?> whole;

        Then(Answer<?> whole) {
            this.whole = whole;
        }

        @Override
        public void onFault(EngineFault fault) {
            whole.onFault(fault);
        }
    }
}
