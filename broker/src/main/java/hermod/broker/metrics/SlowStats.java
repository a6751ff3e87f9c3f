package hermod.broker.metrics;

/**
 * How one connection stands to what it is owed, at one moment. Immutable.
 *
 * @param rung of the ladder: {@code healthy}, {@code conflating}, {@code quarantined} or {@code parked}.
 * @param cause what it waits for: {@code none}, {@code socket}, {@code credit}, {@code handler} or {@code catching-up}.
 * @param sinceUs microseconds on this rung.
 * @param behind subscriptions that read on from their topics' replay windows.
 * @param shed subscriptions that are sent nothing while the quarantine lasts.
 * @param gaps GAPs announced so far.
 * @param lowBytes bytes of events queued in the LOW lane, and so on.
 * @param creditBytes bytes of LOW to HIGH the client has granted and not been sent, below 0 where the last event took more; {@code Long.MAX_VALUE} where it does not use credit.
 */
public record SlowStats(
        String rung,
        String cause,
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
    public static final SlowStats NONE = new SlowStats("healthy", "none", 0, 0, 0, 0, 0, 0, 0, 0, Long.MAX_VALUE);

    /** Whether it is not healthy, or waits for something. */
    public boolean isSlow() {
        return !rung.equals(NONE.rung) || !cause.equals(NONE.cause);
    }
}
