package hermod.broker.admin;

import hermod.broker.config.Setting;
import java.util.Set;

/** Where operators look in. Immutable. */
public record AdminConfig(
        @Setting(
                min = 1,
                max = 64,
                text =
                        "Loopback address to listen on: 127.0.0.1, ::1 or localhost. It has no login, so nothing else is taken.")
        String host,

        @Setting(
                min = 0,
                max = 65_535,
                text = "HTTP port for health, metrics and the command line; 0 picks a free one.")
        int port) {

    private static final Set<String> LOOPBACK = Set.of("127.0.0.1", "::1", "localhost");

    public AdminConfig {
        if (!LOOPBACK.contains(host)) {
            throw new IllegalArgumentException("host is '" + host + "'; it must be 127.0.0.1, ::1 or localhost");
        }
    }

    public static AdminConfig defaults() {
        return new AdminConfig("127.0.0.1", 7402);
    }
}
