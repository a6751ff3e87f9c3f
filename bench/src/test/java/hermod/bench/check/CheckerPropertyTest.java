package hermod.bench.check;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Random runs of a broker that is correct by construction, and each of them once more with one fault. */
class CheckerPropertyTest {
    private static final int RUNS = 300;

    @Test
    void everyRandomCorrectRunIsClean() {
        forEachSeed(seed -> assertThat(check(randomRun(seed)).isClean()).isTrue());
    }

    @Test
    void aDropIsFoundInEveryRandomRunAndNothingElse() {
        forEachSeed(seed -> {
            List<History> run = randomRun(seed);
            Damage.DROP.applyTo(run, seed);
            assertFaults(check(run), 1, 0, 0);
        });
    }

    @Test
    void aDuplicateIsFoundInEveryRandomRunAndNothingElse() {
        forEachSeed(seed -> {
            List<History> run = randomRun(seed);
            Damage.DUPLICATE.applyTo(run, seed);
            assertFaults(check(run), 0, 1, 0);
        });
    }

    @Test
    void aSwapIsFoundInEveryRandomRunAndNothingElse() {
        forEachSeed(seed -> {
            List<History> run = randomRun(seed);
            Damage.SWAP.applyTo(run, seed);
            assertFaults(check(run), 0, 0, 1);
        });
    }

    @Test
    void severalFaultsTogetherNeverHideEachOther() {
        forEachSeed(seed -> {
            List<History> run = randomRun(seed);
            SplittableRandom random = new SplittableRandom(seed);
            for (int i = 0; i < 5; i++) {
                Damage.values()[random.nextInt(3)].applyTo(run, random.nextLong());
            }
            assertThat(check(run).isClean()).isFalse();
        });
    }

    private static void assertFaults(Verdict verdict, long lost, long duplicated, long disordered) {
        assertThat(verdict.isClean()).isFalse();
        assertThat(verdict.lost()).isEqualTo(lost);
        assertThat(verdict.duplicated()).isEqualTo(duplicated);
        assertThat(verdict.disordered()).isEqualTo(disordered);
        assertThat(verdict.unaccounted()).isZero();
        assertThat(verdict.phantom()).isZero();
    }

    private interface Property {
        void holdsFor(long seed);
    }

    private static void forEachSeed(Property property) {
        long first = System.nanoTime();
        for (long seed = first; seed < first + RUNS; seed++) {
            try {
                property.holdsFor(seed);
            } catch (AssertionError | RuntimeException fault) {
                throw new AssertionError("seed=" + seed, fault);
            }
        }
    }

    private static final List<String> TOPICS = List.of("chat:a", "chat:b", "chat:c");

    private static Verdict check(List<History> histories) {
        return Checker.check(histories, TOPICS);
    }

    /** Publishers pipeline into a topic's one list; each subscriber walks the lists of its topics at its own pace; receipts come late. */
    private static List<History> randomRun(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        int clients = 2 + random.nextInt(6);
        List<History> histories = new ArrayList<>();
        for (int client = 0; client < clients; client++) {
            History history = new History();
            for (int topic = 0; topic < TOPICS.size(); topic++) {
                if (random.nextBoolean() || (client == 0 && topic == 0)) {
                    history.subscribed(topic);
                }
            }
            histories.add(history);
        }
        List<List<long[]>> logs = new ArrayList<>();
        TOPICS.forEach(topic -> logs.add(new ArrayList<>()));
        List<Runnable> receipts = new ArrayList<>();
        int events = 20 + random.nextInt(200);
        long[] lastOffset = new long[TOPICS.size()];
        for (int number = 0; number < events; number++) {
            int topic = number < 2 ? 0 : random.nextInt(TOPICS.size());
            History publisher = histories.get(random.nextInt(clients));
            int index = publisher.published(topic, number);
            if (number >= 2 && random.nextInt(20) == 0) {
                publisher.refused(index);
                continue;
            }
            long offset = lastOffset[topic] += 1 + random.nextInt(3);
            logs.get(topic).add(new long[] {number, offset});
            receipts.add(random.nextInt(receipts.size() + 1), () -> publisher.acknowledged(index, offset));
        }
        receipts.forEach(Runnable::run);
        histories.forEach(history -> deliver(history, logs, random));
        return histories;
    }

    private static void deliver(History history, List<List<long[]>> logs, SplittableRandom random) {
        int[] next = new int[TOPICS.size()];
        int left = 0;
        for (int topic = 0; topic < next.length; topic++) {
            left += history.isSubscribed(topic) ? logs.get(topic).size() : 0;
        }
        while (left > 0) {
            int topic = random.nextInt(TOPICS.size());
            if (history.isSubscribed(topic) && next[topic] < logs.get(topic).size()) {
                long[] event = logs.get(topic).get(next[topic]++);
                history.received(topic, (int) event[0], 3, event[1]);
                left--;
            }
        }
    }
}
