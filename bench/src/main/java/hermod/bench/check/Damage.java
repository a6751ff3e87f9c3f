package hermod.bench.check;

import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * A fault put into one client's history between its handlers and the checker, so that anybody can see the checker fail. It touches what was recorded,
 * never the broker.
 */
public enum Damage {
    /** Forgets one delivery. */
    DROP,
    /** Repeats one delivery, at once or later. */
    DUPLICATE,
    /** Exchanges two neighbouring deliveries of one topic. */
    SWAP;

    /** @throws IllegalArgumentException for another word. */
    public static Damage parse(String word) {
        for (Damage damage : values()) {
            if (damage.word().equals(word)) {
                return damage;
            }
        }
        throw new IllegalArgumentException("expected drop, duplicate or swap, got '" + word + "'");
    }

    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * Damages the history with the most deliveries.
     *
     * @return one sentence that says what was done, or that there was nothing to damage.
     */
    public String applyTo(List<History> histories, long seed) {
        int client = 0;
        for (int i = 1; i < histories.size(); i++) {
            if (histories.get(i).receivedCount() > histories.get(client).receivedCount()) {
                client = i;
            }
        }
        History history = histories.get(client);
        SplittableRandom random = new SplittableRandom(seed);
        int count = history.receivedCount();
        if (count == 0) {
            return "nothing was damaged: no delivery was recorded";
        }
        int at = random.nextInt(count);
        return "on purpose, client " + client + "'s history was damaged: "
                + switch (this) {
                    case DROP -> drop(history, at);
                    case DUPLICATE -> duplicate(history, at, random);
                    case SWAP -> swap(history, at);
                };
    }

    private static String drop(History history, int at) {
        int number = history.receivedNumber(at);
        history.removeReceived(at);
        return "event " + number + " dropped";
    }

    private static String duplicate(History history, int at, SplittableRandom random) {
        int number = history.receivedNumber(at);
        int to = at + 1 + random.nextInt(history.receivedCount() - at);
        history.insertReceived(
                to, history.receivedTopic(at), number, history.receivedEpoch(at), history.receivedOffset(at));
        return "event " + number + " duplicated";
    }

    private static String swap(History history, int from) {
        int count = history.receivedCount();
        for (int step = 0; step < count; step++) {
            int at = (from + step) % count;
            for (int next = at + 1; next < count; next++) {
                if (history.receivedTopic(next) == history.receivedTopic(at)) {
                    return exchange(history, at, next);
                }
            }
        }
        return "nothing, for no topic has two deliveries";
    }

    private static String exchange(History history, int first, int second) {
        int topic = history.receivedTopic(first);
        int firstNumber = history.receivedNumber(first);
        long firstEpoch = history.receivedEpoch(first);
        long firstOffset = history.receivedOffset(first);
        int secondNumber = history.receivedNumber(second);
        long secondEpoch = history.receivedEpoch(second);
        long secondOffset = history.receivedOffset(second);
        history.removeReceived(second);
        history.removeReceived(first);
        history.insertReceived(first, topic, secondNumber, secondEpoch, secondOffset);
        history.insertReceived(second, topic, firstNumber, firstEpoch, firstOffset);
        return "events " + firstNumber + " and " + secondNumber + " swapped";
    }
}
