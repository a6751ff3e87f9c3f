package hermod.broker;

/** The version of this broker, as its jar's manifest says. */
final class BrokerVersion {
    static final String CURRENT = read();

    private BrokerVersion() {}

    private static String read() {
        String version = Broker.class.getPackage().getImplementationVersion();
        return version == null ? "development" : version;
    }
}
