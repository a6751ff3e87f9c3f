package hermod.broker.admin;

import hermod.protocol.Feature;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which broker to talk to, and as whom. */
final class ServerOptions {
    @Option(
            names = "--server",
            paramLabel = "HOST:PORT",
            defaultValue = "127.0.0.1:7400",
            description = "The broker's TCP port (default: ${DEFAULT-VALUE}).")
    private String address = "";

    @Option(
            names = "--token",
            paramLabel = "TOKEN",
            description =
                    "A token; better in the environment as HERMOD_TOKEN, where other users of the machine can't see it. A broker in "
                            + "development mode needs none.")
    private @Nullable String token;

    /** @param features offered. */
    BrokerConnection connect(Feature... features) {
        String fromEnvironment = System.getenv("HERMOD_TOKEN");
        String chosen = token != null ? token : fromEnvironment != null ? fromEnvironment : "";
        return BrokerConnection.open(HostPort.parse(address, "--server"), chosen.trim(), features);
    }
}
