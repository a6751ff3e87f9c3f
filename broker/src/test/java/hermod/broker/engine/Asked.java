package hermod.broker.engine;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** A question to an engine that a test waits for. */
public final class Asked<T extends @Nullable Object> implements Answer<T> {
    private static final int TIMEOUT_S = 60;

    private static final class Fault extends RuntimeException {
        private static final long serialVersionUID = 1;
        final EngineFault fault;

        Fault(EngineFault fault) {
            super(fault.sentence());
            this.fault = fault;
        }
    }

    private final CompletableFuture<T> answer = new CompletableFuture<>();

    /** The result. */
    public static <T extends @Nullable Object> T of(Consumer<Answer<T>> question) {
        return asked(question).result();
    }

    /** The fault. */
    public static <T extends @Nullable Object> EngineFault faultOf(Consumer<Answer<T>> question) {
        Asked<T> asked = asked(question);
        try {
            T result = asked.result();
            throw new AssertionError("answered " + result);
        } catch (Fault expected) {
            return expected.fault;
        }
    }

    public static <T extends @Nullable Object> Asked<T> asked(Consumer<Answer<T>> question) {
        Asked<T> asked = new Asked<>();
        question.accept(asked);
        return asked;
    }

    public T result() {
        try {
            return answer.get(TIMEOUT_S, TimeUnit.SECONDS);
        } catch (ExecutionException failed) {
            throw (Fault) failed.getCause();
        } catch (InterruptedException | TimeoutException failed) {
            throw new AssertionError("no answer within " + TIMEOUT_S + " s", failed);
        }
    }

    /** The fault, or null where there was a result. */
    public @Nullable EngineFault fault() {
        try {
            result();
            return null;
        } catch (Fault told) {
            return told.fault;
        }
    }

    @Override
    public void onDone(T result) {
        if (!answer.complete(result)) {
            throw new AssertionError("answered twice");
        }
    }

    @Override
    public void onFault(EngineFault fault) {
        if (!answer.completeExceptionally(new Fault(fault))) {
            throw new AssertionError("answered twice");
        }
    }
}
