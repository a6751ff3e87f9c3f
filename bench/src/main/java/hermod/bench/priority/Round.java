package hermod.bench.priority;

import hermod.bench.wire.HermodLink;
import hermod.bench.wire.Link;
import hermod.bench.wire.Topics;
import hermod.protocol.Priority;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;

/**
 * One round on one broker: URGENT alone, then URGENT beside the flood, to the same subscriber.
 *
 * <pre>
 *   urgent publisher ──────► │ broker │ ──── one connection ────► reader at a fixed rate
 *   bulk publisher ──┬ LOW ─►│        │
 *                    └ NORMAL►        │
 * </pre>
 *
 * @param contender its name.
 * @param isPacedByCredit whether the subscriber granted credit.
 * @param connectionsEnded how often the broker ended the subscriber's connection, with the first {@code reasons}.
 * @param faults what else went wrong, in sentences.
 */
record Round(
        String contender,
        Ledger unloaded,
        Ledger loaded,
        OutboxProbe.Fill outbox,
        boolean isPacedByCredit,
        int connectionsEnded,
        List<String> reasons,
        List<String> faults) {
    private static final int URGENT = Priority.URGENT.code();
    private static final long SOON_NS = TimeUnit.MILLISECONDS.toNanos(200);

    /** Before the measured time begins: until the queues are full. */
    private static final long RAMP_NS = TimeUnit.SECONDS.toNanos(1);

    /** The flood goes on behind the last URGENT event. */
    private static final long AFTER_NS = TimeUnit.MILLISECONDS.toNanos(100);

    private static final long TICK_NS = TimeUnit.MICROSECONDS.toNanos(500);
    private static final long QUIET_NS = TimeUnit.SECONDS.toNanos(2);
    private static final long DRAIN_NS = TimeUnit.SECONDS.toNanos(30);
    private static final long POLL_MS = 5;
    private static final long JOIN_MS = 5_000;

    /** @throws IOException if the broker takes no connection, or refuses the topics. */
    static Round run(Contender contender, Load load) throws IOException, InterruptedException {
        int runId = new SplittableRandom(System.nanoTime()).nextInt();
        Topics all = new Topics(runId, Priority.LOW, Priority.NORMAL, Priority.URGENT);
        String device = "bench-reader-" + Integer.toHexString(runId);
        boolean[] isPaced = new boolean[1];
        Reader.Connect connect = () -> {
            Link link = contender.subscriber(all, device, load.creditWindowBytes(), load.receiveBufferBytes());
            isPaced[0] = link instanceof HermodLink hermod && hermod.hasCredit();
            return link;
        };
        long startNs = System.nanoTime() + SOON_NS;
        Ledger unloaded = new Ledger(runId, 1, startNs, startNs + TimeUnit.SECONDS.toNanos(load.seconds()));
        try (Reader reader = new Reader(connect, load.readerBytesPerSecond(), unloaded);
                Publisher urgent = new Publisher(
                        contender.publisher(new Topics(runId, Priority.URGENT), device + "-urgent"),
                        runId,
                        load.payloadBytes(),
                        unloaded)) {
            double[] urgentRate = new double[Priority.COUNT];
            urgentRate[URGENT] = load.urgentPerSecond();
            urgent.paced(urgentRate, startNs, startNs + TimeUnit.SECONDS.toNanos(load.seconds()), 0, true);
            settle(unloaded);

            long loadNs = System.nanoTime() + SOON_NS;
            long fromNs = loadNs + RAMP_NS;
            long toNs = fromNs + TimeUnit.SECONDS.toNanos(load.seconds());
            Ledger loaded = new Ledger(runId, 2, fromNs, toNs);
            reader.enterInto(loaded);
            urgent.enterInto(loaded);
            List<String> faults = new ArrayList<>();
            OutboxProbe.Fill fill =
                    flood(contender, load, runId, device, loaded, loadNs, fromNs, toNs, urgent, urgentRate, faults);
            if (urgent.end() != null) {
                faults.add("the URGENT publisher's connection ended: " + urgent.end());
            }
            return new Round(
                    contender.name(),
                    unloaded,
                    loaded,
                    fill,
                    isPaced[0],
                    reader.endedCount(),
                    reader.reasons(),
                    faults);
        }
    }

    private static OutboxProbe.Fill flood(
            Contender contender,
            Load load,
            int runId,
            String device,
            Ledger loaded,
            long loadNs,
            long fromNs,
            long toNs,
            Publisher urgent,
            double[] urgentRate,
            List<String> faults)
            throws IOException, InterruptedException {
        double[] bulkRate = new double[Priority.COUNT];
        bulkRate[Priority.LOW.code()] = load.bulkPerSecond() / 2.0;
        bulkRate[Priority.NORMAL.code()] = load.bulkPerSecond() / 2.0;
        try (Publisher bulk = new Publisher(
                contender.publisher(new Topics(runId, Priority.LOW, Priority.NORMAL), device + "-bulk"),
                runId,
                load.payloadBytes(),
                loaded)) {
            Thread flooding = thread(() -> bulk.paced(bulkRate, loadNs, toNs + AFTER_NS, TICK_NS, false));
            Thread alarming = thread(() -> urgent.paced(urgentRate, loadNs, toNs, 0, true));
            sleepUntil(fromNs);
            String admin = contender.admin();
            OutboxProbe probe = admin == null ? null : new OutboxProbe(admin, device).start();
            sleepUntil(toNs);
            OutboxProbe.Fill fill = probe == null ? OutboxProbe.Fill.UNKNOWN : probe.stop();
            alarming.join();
            flooding.join(JOIN_MS);
            if (flooding.isAlive()) {
                faults.add("the broker stopped reading the flood");
            }
            settle(loaded);
            if (bulk.end() != null) {
                faults.add("the bulk publisher's connection ended: " + bulk.end());
            }
            bulk.close();
            flooding.join();
            return fill;
        }
    }

    private static Thread thread(Runnable body) {
        Thread thread = new Thread(body, "bench-publisher");
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private static void sleepUntil(long untilNs) throws InterruptedException {
        long leftNs = untilNs - System.nanoTime();
        if (leftNs > 0) {
            TimeUnit.NANOSECONDS.sleep(leftNs);
        }
    }

    /** Waits until everything has come or nothing comes any more. */
    static void settle(Ledger ledger) throws InterruptedException {
        long deadlineNs = System.nanoTime() + DRAIN_NS;
        long seen = -1;
        long quietSinceNs = System.nanoTime();
        while (!ledger.isSettled() && System.nanoTime() - deadlineNs < 0) {
            long now = ledger.activity();
            if (now != seen) {
                seen = now;
                quietSinceNs = System.nanoTime();
            } else if (System.nanoTime() - quietSinceNs > QUIET_NS) {
                return;
            }
            Thread.sleep(POLL_MS);
        }
    }
}
