package hermod.bench;

import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSource;
import org.jspecify.annotations.Nullable;

/** Finds the top of the source tree or distribution, the folder that holds {@code broker/bin/hermod}. Stateless, any thread. */
final class SourceTree {
    private static final String BROKER = "broker/bin/hermod";

    private SourceTree() {}

    /** Looks at the system property {@code hermod.root}, then upwards from this class's jar and from the working directory. */
    static @Nullable Path root() {
        String property = System.getProperty("hermod.root");
        if (property != null) {
            return Path.of(property).toAbsolutePath();
        }
        Path fromCode = upwards(codePath());
        return fromCode != null ? fromCode : upwards(Path.of("").toAbsolutePath());
    }

    static Path brokerScript(Path root) {
        return root.resolve(BROKER);
    }

    private static @Nullable Path codePath() {
        CodeSource source = SourceTree.class.getProtectionDomain().getCodeSource();
        try {
            return source == null ? null : Path.of(source.getLocation().toURI());
        } catch (URISyntaxException | IllegalArgumentException notAFile) {
            return null;
        }
    }

    private static @Nullable Path upwards(@Nullable Path from) {
        for (Path path = from; path != null; path = path.getParent()) {
            if (Files.isRegularFile(path.resolve(BROKER))) {
                return path;
            }
        }
        return null;
    }
}
