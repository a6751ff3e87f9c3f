package hermod.broker.audit;

import java.io.IOException;
import java.util.List;

/** Where audit chains are read from: an engine, or a broker's admin port. Its methods wait; any thread but a shard's. */
public interface AuditSource {
    /** All chains that were ever written, ordered by name. @throws IOException with a sentence for the operator. */
    List<AuditStream> streams() throws IOException;

    /**
     * Reads a page of entries.
     *
     * @param from the first sequence wanted; backwards, the last one, {@link Long#MAX_VALUE} for the newest.
     * @param countMax entries at most.
     * @throws IOException with a sentence for the operator, if nothing can be said about the entries.
     */
    Page read(AuditStream stream, long from, boolean isBackwards, int countMax) throws IOException;

    /**
     * A page.
     *
     * @param entries one behind the other; at least one, unless there is none or {@code isDamaged}.
     * @param isEnd whether there is no further entry.
     * @param isDamaged whether the store found the next ones damaged, and hands none of them out.
     */
    record Page(byte[] entries, boolean isEnd, boolean isDamaged) {}
}
