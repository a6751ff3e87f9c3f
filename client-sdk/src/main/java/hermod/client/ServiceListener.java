package hermod.client;

/** Hears when the broker switches channels or features off and on, in order, on the runtime's completion thread. */
@FunctionalInterface
public interface ServiceListener {
    void onServiceChange(ServiceStatus now);
}
