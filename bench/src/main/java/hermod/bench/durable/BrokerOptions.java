package hermod.bench.durable;

import hermod.bench.BrokerProcess;
import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which broker is measured, and on which disk. Options of the command line; one thread. */
final class BrokerOptions {
    /** What a load may, and publish URGENT besides. */
    static final List<String> RIGHTS = rights();

    @Option(names = "--server", paramLabel = "HOST:PORT", description = "A running broker; without it one is started.")
    @Nullable
    String server;

    @Option(names = "--admin", paramLabel = "HOST:PORT", description = "The running broker's admin port.")
    @Nullable
    String admin;

    @Option(
            names = "--token",
            paramLabel = "T",
            description =
                    "Token for --server, with the rights 'urgent' and 'rate:unlimited' too; none in development mode.")
    @Nullable
    String token;

    @Option(
            names = "--dir",
            paramLabel = "DIR",
            description =
                    "Where broker, peers and disk probe keep their files: a folder on the disk in question (default: the temporary folder).")
    @Nullable
    Path dir;

    private static List<String> rights() {
        List<String> rights = new ArrayList<>(BrokerProcess.LOAD_RIGHTS);
        rights.add("urgent");
        return List.copyOf(rights);
    }

    void check() {
        if (server == null && (token != null || admin != null)) {
            throw usage("--token and --admin belong to --server; without it the bench makes its own");
        }
        if (dir != null && !Files.isDirectory(dir)) {
            throw usage("--dir must be a folder that is there, got " + dir);
        }
    }

    /** @throws BenchFailure USAGE if a number is out of its range. */
    static void check(String option, long value, long least, long most) {
        if (value < least || value > most) {
            throw usage(option + " must be from " + least + " to " + most + ", got " + value);
        }
    }

    static BenchFailure usage(String sentence) {
        return new BenchFailure(Kind.USAGE, sentence);
    }

    /** The name of a file system, such as ext4. */
    static String fileSystem(Path folder) {
        try {
            return Files.getFileStore(folder).type();
        } catch (IOException unknown) {
            return "unknown";
        }
    }
}
