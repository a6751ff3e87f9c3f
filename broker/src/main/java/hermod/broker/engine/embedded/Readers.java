package hermod.broker.engine.embedded;

import hermod.broker.engine.Answer;
import hermod.broker.engine.EngineFault;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.ShardClock;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Answers questions from the store, when it has what was synced before the question came. */
@RunsOn(RunsOn.Owner.STORE)
final class Readers implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Readers.class);
    private static final int CLOSE_TIMEOUT_S = 10;

    private final ThreadPoolExecutor threads;
    private final LiveStore live;
    private final Applier applier;
    private final LongSupplier synced;
    private final int answerTimeoutMs;
    private final AtomicLong damageCount = new AtomicLong();
    private volatile String damage = "";

    /** @param synced the last batch that was synced; any thread. */
    Readers(StoreConfig config, LiveStore live, Applier applier, LongSupplier synced) {
        this.live = live;
        this.applier = applier;
        this.synced = synced;
        answerTimeoutMs = config.answerTimeoutMs();
        AtomicInteger made = new AtomicInteger();
        threads = new ThreadPoolExecutor(
                config.readerCount(),
                config.readerCount(),
                0,
                TimeUnit.SECONDS,
                new ArrayBlockingQueue<>(config.questionLimitCount()),
                task -> {
                    Thread thread = new Thread(task, "hermod-store-read-" + made.incrementAndGet());
                    thread.setDaemon(true);
                    return thread;
                });
    }

    /** What a reader thread does with the store, which is open until it returns. */
    interface Work<T extends @Nullable Object> {
        /** @throws Exception told to who asked: a {@link RocksDBException} or {@link DamageException} as what it means, anything else as a defect. */
        @Nullable
        T on(RocksStore store) throws Exception;
    }

    /** Any thread, never waits. */
    <T extends @Nullable Object> void ask(Answer<T> answer, Work<T> work) {
        Question<T> question = new Question<>(synced.getAsLong(), answer, work);
        try {
            threads.execute(question);
        } catch (RejectedExecutionException full) {
            answer.onFault(threads.isShutdown() ? EngineFault.CLOSED : EngineFault.BUSY);
        }
    }

    private final class Question<T extends @Nullable Object> implements Runnable {
        private final long batch;
        private final Answer<T> answer;
        private final Work<T> work;

        Question(long batch, Answer<T> answer, Work<T> work) {
            this.batch = batch;
            this.answer = answer;
            this.work = work;
        }

        @Override
        public void run() {
            LiveStore.Lease taken = lease();
            if (taken == null) {
                return;
            }
            T result;
            try (taken) {
                result = resultOf(taken.store());
            } catch (RocksDBException failed) {
                answer.onFault(onFailed(failed));
                return;
            } catch (DamageException damaged) {
                onDamage(damaged.getMessage());
                answer.onFault(EngineFault.CORRUPT);
                return;
            } catch (Exception defect) {
                LOG.error("a read of the store failed", defect);
                answer.onFault(EngineFault.FAILED);
                return;
            }
            answer.onDone(result);
        }

        /** Null only where the question's answer may be. */
        @SuppressWarnings("NullAway")
        private T resultOf(RocksStore store) throws Exception {
            return work.on(store);
        }

        /** Waits until the store has what was synced before the question. @return null where it has not in time, which was answered. */
        private LiveStore.@Nullable Lease lease() {
            long deadlineNs = ShardClock.monotonicNs() + TimeUnit.MILLISECONDS.toNanos(answerTimeoutMs);
            while (true) {
                long leftMs = TimeUnit.NANOSECONDS.toMillis(deadlineNs - ShardClock.monotonicNs());
                EngineFault fault = applier.await(batch, leftMs);
                LiveStore.Lease lease = fault == null ? live.lease(leftMs) : null;
                if (lease == null) {
                    answer.onFault(fault == null ? applier.delay() : fault);
                    return null;
                }
                if (applier.applied() >= batch) {
                    return lease;
                }
                // it was opened again in between, and lacks what it had
                lease.close();
            }
        }
    }

    /** Notes a read that failed; any thread. */
    EngineFault onFailed(RocksDBException failed) {
        EngineFault fault = RocksStore.faultOf(failed);
        if (fault == EngineFault.CORRUPT) {
            onDamage(failed.getMessage());
        } else {
            LOG.warn("a read of the store failed: {}", failed.getMessage());
        }
        return fault;
    }

    private void onDamage(@Nullable String what) {
        damage = String.valueOf(what);
        if (damageCount.getAndIncrement() == 0) {
            LOG.error("the store is damaged; what is damaged is not handed out: {}", damage);
        }
    }

    /** For people; empty while nothing damaged was met. */
    String damage() {
        long count = damageCount.get();
        return count == 0 ? "" : count + " reads met damaged data, the last one: " + damage;
    }

    /** Answers what waits, then ends the threads. @return false where one still runs. */
    boolean end() {
        threads.shutdown();
        try {
            if (threads.awaitTermination(CLOSE_TIMEOUT_S, TimeUnit.SECONDS)) {
                return true;
            }
            List<Runnable> left = threads.shutdownNow();
            left.forEach(each -> ((Question<?>) each).answer.onFault(EngineFault.CLOSED));
            return threads.awaitTermination(CLOSE_TIMEOUT_S, TimeUnit.SECONDS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    @Override
    public void close() {
        boolean unused = end();
    }
}
