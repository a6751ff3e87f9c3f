package hermod.broker.admin;

/**
 * How far a broker's stop has come. Immutable.
 *
 * @param phase {@code serving}, {@code settling} (what was taken is finished), {@code flushing} (outboxes empty), {@code drained}.
 * @param connections sockets still open.
 * @param waiting connections that are still owed something.
 */
public record DrainProgress(String phase, int connections, int waiting) {
    /** The broker has not been asked to stop. */
    public static final String SERVING = "serving";

    public static final String SETTLING = "settling";
    public static final String FLUSHING = "flushing";

    /** The last; the process ends. */
    public static final String DRAINED = "drained";
}
