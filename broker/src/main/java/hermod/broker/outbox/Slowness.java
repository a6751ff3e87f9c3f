package hermod.broker.outbox;

/**
 * How one connection stands to what it is owed, at one moment. Immutable.
 *
 * @param sinceUs microseconds on this rung.
 * @param behind subscriptions that read on from their topics' replay windows.
 * @param shed subscriptions that are sent nothing while the quarantine lasts.
 * @param gaps GAPs announced so far.
 * @param creditBytes as {@link Outbox#creditBytes}.
 */
public record Slowness(
        Ladder.Rung rung,
        Ladder.Cause cause,
        long sinceUs,
        int behind,
        int shed,
        long gaps,
        long lowBytes,
        long normalBytes,
        long highBytes,
        long urgentBytes,
        long creditBytes) {

    /** Of a connection that is as it should be. */
    public static final Slowness NONE =
            new Slowness(Ladder.Rung.HEALTHY, Ladder.Cause.NONE, 0, 0, 0, 0, 0, 0, 0, 0, Long.MAX_VALUE);
}
