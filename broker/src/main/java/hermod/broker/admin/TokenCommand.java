package hermod.broker.admin;

import hermod.broker.admission.SecretFile;
import hermod.broker.admission.TokenMint;
import hermod.broker.config.ConfigException;
import hermod.broker.config.Quantity;
import hermod.protocol.Priority;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "token",
        mixinStandardHelpOptions = true,
        description = "Make a token, signed with the broker's own secret (HS256). Prints the token and nothing else.")
final class TokenCommand implements Callable<Integer> {
    private static final long DAY_SECONDS = 86_400;

    @Option(names = "--user", required = true, paramLabel = "U", description = "User the token is for (claim sub).")
    private String user = "";

    @Option(names = "--org", required = true, paramLabel = "O", description = "Org of the user.")
    private String org = "";

    @Option(
            names = "--right",
            paramLabel = "R",
            description =
                    "pub:PATTERN, sub:PATTERN, group:PATTERN (of a channel), urgent, limits:service, rate:unlimited; may be repeated (default: pub:* and sub:*).")
    private List<String> rights = new ArrayList<>();

    @Option(
            names = "--priority",
            paramLabel = "P",
            description =
                    "What the user's events travel with where they ask for nothing, up to the channel's ceiling: normal, high or urgent (default: the channel's own).")
    private @Nullable Priority priority;

    @Option(
            names = "--ttl",
            paramLabel = "T",
            defaultValue = "1h",
            description =
                    "How long it is good: 90s, 30m, 1h, 1d (default: ${DEFAULT-VALUE}). Brokers refuse more than 1d unless configured otherwise.")
    private String ttl = "";

    @Option(names = "--data", paramLabel = "DIR", description = "Data directory of the broker (default: ~/.hermod).")
    private @Nullable Path dataDir;

    @Option(
            names = "--secret-file",
            paramLabel = "F",
            description = "File with the secret, where the broker is configured with one.")
    private @Nullable Path secretFile;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    @Override
    public Integer call() {
        if (dataDir != null && secretFile != null) {
            throw new CliException(ExitCode.USAGE, "Give --data or --secret-file, not both.");
        }
        OptionalLong seconds = Quantity.parse(ttl, Quantity.SECONDS);
        if (seconds.isEmpty() || seconds.getAsLong() < 1 || seconds.getAsLong() > 3_650 * DAY_SECONDS) {
            throw new CliException(
                    ExitCode.USAGE, "--ttl is '" + ttl + "'; it must be a duration such as 90s, 30m, 1h or 1d.");
        }
        if (user.isBlank() || org.isBlank()) {
            throw new CliException(ExitCode.USAGE, "--user and --org must not be empty.");
        }
        TokenMint mint = new TokenMint(secret(), Clock.systemUTC());
        String token;
        try {
            token = mint.mint(
                    user,
                    org,
                    rights.isEmpty() ? List.of("pub:*", "sub:*") : rights,
                    priority,
                    Duration.ofSeconds(seconds.getAsLong()));
        } catch (IllegalArgumentException wrong) {
            throw new CliException(ExitCode.USAGE, "No token: " + wrong.getMessage() + ".", wrong);
        }
        spec.commandLine().getOut().println(token);
        spec.commandLine().getOut().flush();
        return ExitCode.OK;
    }

    private byte[] secret() {
        try {
            if (secretFile != null) {
                return SecretFile.read(secretFile);
            }
            Path dir = dataDir == null ? AdminCli.defaultDataDir() : dataDir;
            if (!Files.exists(SecretFile.in(dir))) {
                spec.commandLine()
                        .getErr()
                        .println("hermod: made a new secret in " + SecretFile.in(dir)
                                + "; the broker of this data directory will use it.");
                spec.commandLine().getErr().flush();
            }
            return SecretFile.readOrCreate(dir);
        } catch (ConfigException unusable) {
            throw new CliException(
                    ExitCode.FAILED, unusable.getMessage() == null ? "No secret." : unusable.getMessage(), unusable);
        }
    }
}
