package hermod.broker.audit;

import hermod.broker.engine.Answer;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.KeyedState;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/** The chains in an engine, also while they are written. Any thread but a shard's or the engine's: its methods wait for the engine. */
public final class EngineAudit implements AuditSource {
    private static final int PAGE_ENTRIES_MAX = 1_000;
    private static final int PAGE_BYTES_MAX = 256 * 1024;

    /** More writers than there can be shards. */
    private static final int STREAMS_MAX = 1_000;

    private static final int ANSWER_TIMEOUT_S = 30;

    private final Engine engine;

    public EngineAudit(Engine engine) {
        this.engine = engine;
    }

    @Override
    public List<AuditStream> streams() throws IOException {
        Told<List<KeyedState.Value>> told =
                ask(answer -> engine.state().scan(AuditStream.SPACE, new byte[0], null, STREAMS_MAX, answer));
        if (told.fault != null || told.result == null) {
            throw new IOException("the list of audit streams can't be read: " + sentence(told.fault));
        }
        List<AuditStream> streams = new ArrayList<>();
        for (KeyedState.Value value : told.result) {
            if (value.bytes().length == Long.BYTES) {
                streams.add(new AuditStream(
                        new String(value.key(), StandardCharsets.UTF_8),
                        ByteBuffer.wrap(value.bytes())
                                .order(ByteOrder.LITTLE_ENDIAN)
                                .getLong()));
            }
        }
        return streams;
    }

    @Override
    public Page read(AuditStream stream, long from, boolean isBackwards, int countMax) throws IOException {
        EventLog.Order order = new EventLog.Order(
                stream.number(),
                Math.max(0, from),
                isBackwards ? 0 : Long.MAX_VALUE,
                isBackwards,
                Math.max(1, Math.min(countMax, PAGE_ENTRIES_MAX)),
                PAGE_BYTES_MAX);
        Told<EventLog.Page> told = ask(answer -> engine.events().read(order, answer));
        if (told.result != null) {
            return new Page(told.result.entries(), told.result.isEnd(), false);
        }
        if (told.fault == EngineFault.CORRUPT) {
            return new Page(new byte[0], true, true);
        }
        throw new IOException(stream.name() + " can't be read from " + from + " on: " + sentence(told.fault));
    }

    private static String sentence(@org.jspecify.annotations.Nullable EngineFault fault) {
        return fault == null ? "there was no answer" : fault.sentence();
    }

    /** Either of the two. */
    static final class Told<T> implements Answer<T> {
        private final CompletableFuture<Told<T>> isTold = new CompletableFuture<>();

        @org.jspecify.annotations.Nullable
        T result;

        @org.jspecify.annotations.Nullable
        EngineFault fault;

        @Override
        public void onDone(T done) {
            result = done;
            isTold.complete(this);
        }

        @Override
        public void onFault(EngineFault failed) {
            fault = failed;
            isTold.complete(this);
        }
    }

    /** Asks and waits. @throws IOException if no answer comes. */
    static <T> Told<T> ask(Consumer<Answer<T>> question) throws IOException {
        Told<T> answer = new Told<>();
        question.accept(answer);
        try {
            return answer.isTold.get(ANSWER_TIMEOUT_S, TimeUnit.SECONDS);
        } catch (ExecutionException | TimeoutException silent) {
            throw new IOException("the store does not answer", silent);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", interrupted);
        }
    }
}
