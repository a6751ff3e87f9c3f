package hermod.broker.admin;

import hermod.broker.admission.ServiceState;
import java.util.List;

/** What an operator can do to a running broker. Called on the admin port's threads. */
public interface OperatorControls {
    ServiceState service();

    /**
     * Switches a channel, or {@code all}, off; it holds on all shards when this returns.
     *
     * @param isConfirmed whether channels of tier 0 are meant too.
     * @throws IllegalArgumentException with a sentence for the operator.
     */
    ServiceState kill(String what, String reason, boolean isConfirmed);

    /** The reverse. @throws IllegalArgumentException with a sentence for the operator. */
    ServiceState lift(String what);

    /** Serves this share of the users. @throws IllegalArgumentException with a sentence for the operator. */
    ServiceState rollout(int percent);

    /**
     * Replaces the subscriptions of all connections of a user; the switch is one step on each. Waits a moment for the connections' answers.
     *
     * @return what became of it, connection by connection; empty where the user has none.
     */
    List<SubscriptionsOutcome> replaceSubscriptions(SubscriptionsOrder order);

    /**
     * Deletes a consumer group with its place; its members are told. Waits a moment for the store.
     *
     * @throws IllegalArgumentException with a sentence for the operator.
     */
    void deleteGroup(String org, String channel, String name);

    /**
     * Begins to stop the broker in order, and returns at once; where it has begun already, nothing changes.
     *
     * @param delayMs as {@code service.drain-delay-ms}, 0 for what is configured.
     * @param endpoints as {@code service.endpoints}, empty for what is configured.
     * @throws IllegalArgumentException with a sentence for the operator.
     */
    DrainProgress drain(int delayMs, List<String> endpoints);

    DrainProgress drainProgress();
}
