package hermod.broker.engine;

/**
 * How an engine is.
 *
 * @param fault null while all is well; otherwise what durable publishes are refused with now.
 * @param reason for people: what failed, with the file and the system's words; empty while all is well.
 * @param storedEvents since the start.
 * @param removedEvents by retention, since the start.
 * @param syncs since the start.
 * @param syncP50Us and {@code syncP99Us}, {@code syncMaxUs}: how long a sync took, in microseconds, of the last few thousand.
 * @param waitingBytes appended and not on disk yet.
 * @param journalBytes on disk in front of the store proper: what a restart would read again.
 * @param diskBytes used in all; refreshed every few seconds.
 * @param memoryBytes outside the Java heap; refreshed every few seconds.
 */
public record EngineStatus(
        @org.jspecify.annotations.Nullable EngineFault fault,
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
    /** One that has nothing to tell. */
    public static EngineStatus fine() {
        return new EngineStatus(null, "", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    }
}
