package hermod.broker.audit;

import org.jspecify.annotations.Nullable;

/** What the operators' port has of the audit log. Any thread but a shard's. */
public interface AuditLog {
    /** How an operator is called who has not said so. */
    String UNNAMED = "operator";

    /** Of a broker without one. */
    AuditLog NONE = new AuditLog() {
        @Override
        public boolean record(
                Actor actor, String who, String action, String subject, String outcome, String... details) {
            return false;
        }

        @Override
        public @Nullable AuditSource source() {
            return null;
        }
    };

    /**
     * Records what was done to the broker, and waits a moment until that is on disk.
     *
     * @param details keys and values in turn.
     * @return false if it is not on disk yet; then it is kept in memory, and the log has said why.
     */
    boolean record(Actor actor, String who, String action, String subject, String outcome, String... details);

    /**
     * Records what the broker did by itself, and waits for nothing: where the disk takes no record it is kept in memory.
     *
     * @param details keys and values in turn.
     */
    default void recordLater(
            Actor actor, String who, String org, String action, String subject, String outcome, String... details) {}

    /** Where all chains can be read; null where none are kept. */
    @Nullable
    AuditSource source();
}
