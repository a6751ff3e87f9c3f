package hermod.broker.audit;

import java.util.Locale;

/**
 * A place where a chain is not as it was written. Immutable.
 *
 * @param sequence where.
 * @param expected and {@code found}: for people.
 */
public record Finding(Kind kind, long sequence, String expected, String found) {
    public enum Kind {
        /** A record is not what its hash, or the next record, says. */
        CHANGED,
        /** Records are not there. */
        MISSING,
        /** A record stands where another one belongs. */
        REORDERED,
        /** What is stored is no record, or the store itself found it damaged. The rest of the chain was not looked at. */
        UNREADABLE,
        /** The chain ends before a head it once had. */
        CUT,
        /** At a head it once had the chain has another record: it was written anew. */
        REWRITTEN;

        /** The name people see. */
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }
}
