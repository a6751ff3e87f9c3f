package hermod.broker.metrics;

/**
 * How the store of durable channels is. Immutable.
 *
 * @param fault what durable publishes are refused with now, such as FULL; empty while all is well.
 * @param reason for people: what failed; empty while all is well.
 * @param storedEvents since the start; {@code removedEvents}: those that retention removed.
 * @param waitingBytes appended and not on disk yet.
 * @param journalBytes on disk in front of the store proper: what a restart reads again.
 * @param diskBytes and {@code memoryBytes} (outside the Java heap): in all; a few seconds old.
 */
public record StoreStats(
        String fault,
        String reason,
        long storedEvents,
        long removedEvents,
        long syncs,
        long syncP50Us,
        long syncP99Us,
        long syncMaxUs,
        long waitingBytes,
        long journalBytes,
        long diskBytes,
        long memoryBytes) {

    public boolean isWell() {
        return fault.isEmpty();
    }
}
