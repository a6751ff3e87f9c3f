package hermod.broker.engine.embedded;

import hermod.broker.engine.EngineFault;
import org.jspecify.annotations.Nullable;

/**
 * How the journal is.
 *
 * @param fault null while all is well; otherwise what the normal lane is refused with.
 * @param urgentFault the same for the urgent lane, which has a reserve.
 * @param reason for people; empty while all is well.
 * @param syncs of batches since the start.
 * @param syncP50Us and {@code syncP99Us}, {@code syncMaxUs}: write and sync of a batch in microseconds, of the last 4,096.
 * @param waitingBytes appended and not on disk yet.
 * @param diskBytes of all files.
 * @param failures writes and syncs that failed since the start.
 */
record JournalStatus(
        @Nullable EngineFault fault,
        @Nullable EngineFault urgentFault,
        String reason,
        long syncs,
        long syncP50Us,
        long syncP99Us,
        long syncMaxUs,
        long waitingBytes,
        long diskBytes,
        long failures) {}
