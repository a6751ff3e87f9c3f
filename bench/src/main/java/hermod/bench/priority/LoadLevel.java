package hermod.bench.priority;

import hermod.bench.wire.Topics;
import hermod.protocol.Priority;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * All four lanes to one subscriber that reads as fast as it can, at a share of the capacity.
 *
 * @param percent of the capacity.
 * @param offeredPerSecond events a second meant to be sent, without URGENT.
 * @param faults what went wrong besides, in sentences.
 */
record LoadLevel(int percent, double offeredPerSecond, Ledger ledger, List<String> faults) {
    /** Of each hundred events that are not URGENT, by lane: LOW, NORMAL, HIGH. */
    static final int[] MIX = {45, 45, 10, 0};

    /** Events published and not yet delivered in the floods of {@link #capacity}, one after the other. */
    private static final int[] UNDELIVERED = {256, 1_024, 4_096, 16_384, 65_536};

    /** A flood that delivers less than so much more than the best before shows that there is no more; two in a row end the search. */
    private static final double SATURATED_BELOW = 1.05;

    private static final int EVENTS_AT_A_TIME = 60;
    private static final int CREDIT_WINDOW_BYTES = 1024 * 1024;
    private static final long RAMP_NS = TimeUnit.SECONDS.toNanos(1);
    private static final long SOON_NS = TimeUnit.MILLISECONDS.toNanos(200);
    private static final long TICK_NS = TimeUnit.MICROSECONDS.toNanos(200);
    private static final long JOIN_MS = 5_000;

    /**
     * Events a second that arrive when they are published as fast as they arrive, with more and more of them on their way until that delivers no more, or
     * the broker leaves events out.
     */
    static double capacity(Contender contender, Load load, Consumer<String> progress)
            throws IOException, InterruptedException {
        flood(contender, load, UNDELIVERED[0]); // warm-up
        double best = 0;
        int saturated = 0;
        for (int undelivered : UNDELIVERED) {
            LoadLevel flood = flood(contender, load, undelivered);
            double perSecond = flood.ledger().eventsPerSecond();
            progress.accept(String.format(
                    Locale.ROOT,
                    "%,d events on their way: %,.0f deliveries/s%s",
                    undelivered,
                    perSecond,
                    flood.isWhole() ? "" : ", and not all of them"));
            saturated = perSecond < best * SATURATED_BELOW ? saturated + 1 : 0;
            best = flood.isWhole() ? Math.max(best, perSecond) : best;
            if (!flood.isWhole() || saturated == 2) {
                break;
            }
        }
        return best;
    }

    /** Whether everything that was published has come. */
    private boolean isWhole() {
        for (int lane = 0; lane < Priority.COUNT; lane++) {
            if (ledger.lost(lane) > 0 || ledger.shed(lane) > 0 || ledger.refused(lane) > 0) {
                return false;
            }
        }
        return faults.isEmpty();
    }

    private static LoadLevel flood(Contender contender, Load load, int undelivered)
            throws IOException, InterruptedException {
        return run(contender, load, 0, 0, undelivered);
    }

    /** @param capacity as measured. */
    static LoadLevel run(Contender contender, Load load, int percent, double capacity)
            throws IOException, InterruptedException {
        return run(contender, load, percent, capacity, 0);
    }

    /** @param undelivered 0 for a fixed rate, otherwise as fast as it goes with so many events on their way. */
    private static LoadLevel run(Contender contender, Load load, int percent, double capacity, int undelivered)
            throws IOException, InterruptedException {
        int runId = new SplittableRandom(System.nanoTime()).nextInt();
        Topics all = new Topics(runId, Priority.values());
        String device = "bench-load-" + Integer.toHexString(runId);
        long startNs = System.nanoTime() + SOON_NS;
        long fromNs = startNs + RAMP_NS;
        long toNs = fromNs + TimeUnit.SECONDS.toNanos(load.seconds());
        Ledger ledger = new Ledger(runId, 1, fromNs, toNs);
        double offered = capacity * percent / 100;
        List<String> faults = new ArrayList<>();
        try (Reader reader = new Reader(() -> contender.subscriber(all, device, CREDIT_WINDOW_BYTES, 0), 0, ledger);
                Publisher urgent = publisher(contender, runId, device, load, ledger, Priority.URGENT);
                Publisher high = publisher(contender, runId, device, load, ledger, Priority.HIGH);
                Publisher bulk = publisher(contender, runId, device, load, ledger, Priority.LOW, Priority.NORMAL)) {
            List<Thread> threads = new ArrayList<>();
            double[] urgentRate = new double[Priority.COUNT];
            urgentRate[Priority.URGENT.code()] = load.urgentPerSecond();
            threads.add(thread(() -> urgent.paced(urgentRate, startNs, toNs, 0, true)));
            if (undelivered > 0) {
                // One connection for all three lanes: what it may have on its way is bounded for all together.
                try (Publisher mixed = publisher(
                        contender, runId, device, load, ledger, Priority.LOW, Priority.NORMAL, Priority.HIGH)) {
                    mixed.windowed(atATime(), toNs, undelivered);
                    Round.settle(ledger);
                }
            } else {
                threads.add(thread(() -> high.paced(rates(offered, Priority.HIGH), startNs, toNs, TICK_NS, true)));
                threads.add(thread(
                        () -> bulk.paced(rates(offered, Priority.LOW, Priority.NORMAL), startNs, toNs, TICK_NS, true)));
                for (Thread thread : threads) {
                    thread.join(TimeUnit.NANOSECONDS.toMillis(Math.max(0, toNs - System.nanoTime())) + JOIN_MS);
                    if (thread.isAlive()) {
                        faults.add("the broker stopped reading a publisher");
                    }
                }
                Round.settle(ledger);
            }
            for (Publisher one : List.of(urgent, high, bulk)) {
                if (one.end() != null) {
                    faults.add("a publisher's connection ended: " + one.end());
                }
            }
            if (reader.endedCount() > 0) {
                faults.add("the broker ended the subscriber's connection " + reader.endedCount() + " times: "
                        + String.join("; ", reader.reasons()));
            }
            return new LoadLevel(percent, offered, ledger, faults);
        }
    }

    private static int[] atATime() {
        int[] weights = new int[Priority.COUNT];
        for (int lane = 0; lane < weights.length; lane++) {
            weights[lane] = MIX[lane] * EVENTS_AT_A_TIME / 100;
        }
        return weights;
    }

    private static double[] rates(double offered, Priority... lanes) {
        double[] rates = new double[Priority.COUNT];
        for (Priority lane : lanes) {
            rates[lane.code()] = offered * MIX[lane.code()] / 100;
        }
        return rates;
    }

    private static Publisher publisher(
            Contender contender, int runId, String device, Load load, Ledger ledger, Priority... lanes)
            throws IOException {
        return new Publisher(
                contender.publisher(new Topics(runId, lanes), device + "-" + lanes[0]),
                runId,
                load.payloadBytes(),
                ledger);
    }

    private static Thread thread(Runnable body) {
        Thread thread = new Thread(body, "bench-publisher");
        thread.setDaemon(true);
        thread.start();
        return thread;
    }
}
