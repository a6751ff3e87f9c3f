package hermod.broker.admin;

import hermod.broker.audit.AuditSource;
import hermod.broker.audit.EngineAudit;
import hermod.broker.engine.Engine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Whose audit log to read: that of a broker, or that in the data directory of one that is not running. */
final class AuditOption {
    /** Reads and tells. */
    interface Reading {
        int read(AuditSource source) throws IOException;
    }

    @Option(
            names = "--admin",
            paramLabel = "HOST:PORT",
            description = "The broker's admin port (default: 127.0.0.1:7402).")
    private @Nullable String address;

    @Option(names = "--data", paramLabel = "DIR", description = "Data directory of a broker that is not running.")
    private @Nullable Path dataDir;

    private static Engine open(StoreOpener stores, Path dataDir) throws IOException {
        try {
            return stores.open(dataDir);
        } catch (IOException failed) {
            throw new CliException(
                    ExitCode.FAILED,
                    "The audit log can't be read: " + failed.getMessage()
                            + ". --data reads the directory of a broker that is stopped; --admin asks one that runs.",
                    failed);
        }
    }

    /** @return the exit code. */
    int read(StoreOpener stores, Reading reading) {
        if (address != null && dataDir != null) {
            throw new CliException(ExitCode.USAGE, "Give --admin or --data, not both.");
        }
        try {
            if (dataDir == null) {
                String admin = address == null ? "127.0.0.1:7402" : address;
                return reading.read(new AdminAudit(new AdminClient(HostPort.parse(admin, "--admin"))));
            }
            if (!Files.isDirectory(dataDir)) {
                throw new CliException(ExitCode.USAGE, "There is no data directory " + dataDir + ".");
            }
            try (Engine engine = open(stores, dataDir)) {
                return reading.read(new EngineAudit(engine));
            }
        } catch (IOException failed) {
            throw new CliException(
                    ExitCode.FAILED, "The audit log can't be read: " + failed.getMessage() + ".", failed);
        }
    }
}
