package hermod.bench.crash;

import java.util.List;
import java.util.Locale;

/**
 * What the {@link CrashChecker} found. All from {@code lost} to {@code unaccounted} must be 0.
 *
 * @param published events given to clients.
 * @param acknowledged of these, acknowledged by the broker.
 * @param refused of these, refused; whether they were stored is known or not.
 * @param expected deliveries owed to followers, and the acknowledged events owed to the final reader.
 * @param delivered events that followers and the final reader got.
 * @param lost acknowledged and not read at the end; read at the end and never delivered to a follower that had passed its place; or delivered and not there at the end.
 * @param duplicated delivered twice to an application, or twice on the wire behind one cursor; or stored at two offsets.
 * @param disordered offsets that do not rise, or not with the order of one publisher; an offset in a receipt that is not the event's.
 * @param phantom read though never published, refused, or of another topic.
 * @param offsetReused offsets that named two events.
 * @param epochChanged topics' epochs beyond the first.
 * @param announced events that are there at the end, and of which a follower was told that they are not coming.
 * @param unaccounted published, and no outcome ever came.
 * @param examples the first violations in words, with what every client knows of the event.
 */
record CrashVerdict(
        long published,
        long acknowledged,
        long refused,
        long expected,
        long delivered,
        long lost,
        long duplicated,
        long disordered,
        long phantom,
        long offsetReused,
        long epochChanged,
        long announced,
        long unaccounted,
        List<String> examples) {
    CrashVerdict {
        examples = List.copyOf(examples);
    }

    boolean isClean() {
        return lost + duplicated + disordered + phantom + offsetReused + epochChanged + announced + unaccounted == 0;
    }

    /** The counts that must be 0, as one sentence. */
    String faults() {
        return String.format(
                Locale.ROOT,
                "checker: lost=%d, duplicated=%d, disordered=%d, phantom=%d, offsetReused=%d, epochChanged=%d, announced=%d, unaccounted=%d",
                lost,
                duplicated,
                disordered,
                phantom,
                offsetReused,
                epochChanged,
                announced,
                unaccounted);
    }
}
