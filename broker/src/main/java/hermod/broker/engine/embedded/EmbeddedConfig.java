package hermod.broker.engine.embedded;

/** What the embedded engine needs to know. Immutable. */
public record EmbeddedConfig(JournalConfig journal, StoreConfig store) {
    public static EmbeddedConfig defaults() {
        return new EmbeddedConfig(JournalConfig.defaults(), StoreConfig.defaults());
    }
}
