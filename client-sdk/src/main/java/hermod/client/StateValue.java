package hermod.client;

/**
 * What a key of a state topic has. Immutable.
 *
 * @param version what a writer expects that wants to replace just this value.
 * @param event that set it; its payload is the value.
 */
public record StateValue(String key, long version, Event event) {
    /** A copy. */
    public byte[] payload() {
        return event.payload();
    }

    /** The value read as UTF-8. */
    public String text() {
        return event.text();
    }
}
