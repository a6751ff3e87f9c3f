package hermod.bench.check;

import java.util.ArrayList;
import java.util.List;

/**
 * What a check found. All but the first five counts must be 0 in a correct run.
 *
 * @param published events given to a client to publish.
 * @param acknowledged of these, taken by the broker.
 * @param refused of these, refused by the broker or the client.
 * @param expected deliveries that the acknowledged events and the subscriptions ask for.
 * @param delivered events that handlers got.
 * @param lost expected and never delivered, each subscriber counted.
 * @param duplicated delivered again to the same subscriber.
 * @param disordered out of the topic's one order: offsets that do not rise, that differ between subscribers, publisher's receipt and delivery, or that
 *     stand against the order in which one publisher published.
 * @param unaccounted published, and no outcome ever came.
 * @param phantom delivered though never published in this run, refused, of another topic, or not subscribed.
 * @param examples the first faults in words.
 */
public record Verdict(
        long published,
        long acknowledged,
        long refused,
        long expected,
        long delivered,
        long lost,
        long duplicated,
        long disordered,
        long unaccounted,
        long phantom,
        List<String> examples) {
    /** Faults that are told in words; the others are only counted. */
    public static final int EXAMPLES_MAX = 20;

    /** What a check of nothing finds. */
    public static final Verdict NONE = new Verdict(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, List.of());

    public Verdict {
        examples = List.copyOf(examples.subList(0, Math.min(EXAMPLES_MAX, examples.size())));
    }

    /** Whether nothing was lost, doubled, reordered, made up or left without an outcome. */
    public boolean isClean() {
        return lost == 0 && duplicated == 0 && disordered == 0 && unaccounted == 0 && phantom == 0;
    }

    /** Both together. */
    public Verdict plus(Verdict other) {
        List<String> both = new ArrayList<>(examples);
        both.addAll(other.examples);
        return new Verdict(
                published + other.published,
                acknowledged + other.acknowledged,
                refused + other.refused,
                expected + other.expected,
                delivered + other.delivered,
                lost + other.lost,
                duplicated + other.duplicated,
                disordered + other.disordered,
                unaccounted + other.unaccounted,
                phantom + other.phantom,
                both);
    }
}
