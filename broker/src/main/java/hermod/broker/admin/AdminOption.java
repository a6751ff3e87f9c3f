package hermod.broker.admin;

import picocli.CommandLine.Option;

/** Which broker to ask. */
final class AdminOption {
    @Option(
            names = "--admin",
            paramLabel = "HOST:PORT",
            defaultValue = "127.0.0.1:7402",
            description = "The broker's admin port (default: ${DEFAULT-VALUE}).")
    private String address = "";

    AdminClient client() {
        return new AdminClient(HostPort.parse(address, "--admin"));
    }
}
