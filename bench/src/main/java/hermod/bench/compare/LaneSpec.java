package hermod.bench.compare;

import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;

/**
 * One lane of Hermod: a broker process with a JDK, flags, launcher or arguments of its own. Immutable.
 *
 * @param line as {@code peers.sh} reads it: {@code NAME|FIELD|FIELD…}.
 */
record LaneSpec(String name, String line) {
    private static final Pattern NAME = Pattern.compile("hermod(-[a-z0-9.]+)*");
    private static final Pattern VARIABLE = Pattern.compile("[A-Z][A-Z0-9_]*=.*");
    private static final Pattern MAJOR = Pattern.compile("(?m)^JAVA_VERSION=\"(\\d+)");
    private static final int MAJOR_MIN = 17;

    static final LaneSpec DEFAULT = new LaneSpec("hermod", "hermod");

    /** @throws BenchFailure USAGE, with a sentence. */
    static LaneSpec parse(String line) {
        List<String> fields = List.of(line.strip().split("\\|"));
        String name = fields.get(0);
        if (!NAME.matcher(name).matches()) {
            throw new BenchFailure(
                    Kind.USAGE,
                    "--lane is NAME|FIELD|FIELD…, the name hermod-something in small letters, got '" + line + "'");
        }
        for (String field : fields.subList(1, fields.size())) {
            if (!VARIABLE.matcher(field).matches() && !field.startsWith("--")) {
                throw new BenchFailure(
                        Kind.USAGE,
                        "a field of --lane is VARIABLE=VALUE or arguments of serve that start with --, got '" + field
                                + "'");
            }
        }
        return new LaneSpec(name, line.strip());
    }

    /** A lane with so many shards. */
    static LaneSpec withShards(String name, int shards) {
        return new LaneSpec(name, name + "|SHARDS=" + shards);
    }

    boolean hasShards() {
        return line.contains("|SHARDS=");
    }

    /** A lane named after the JDK's version, {@code hermod-25}. */
    static LaneSpec onJdk(Path home) {
        Path absolute = home.toAbsolutePath().normalize();
        try {
            var version = MAJOR.matcher(Files.readString(absolute.resolve("release")));
            if (Files.isExecutable(absolute.resolve("bin/java"))
                    && version.find()
                    && Integer.parseInt(version.group(1)) >= MAJOR_MIN) {
                return new LaneSpec(
                        "hermod-" + version.group(1), "hermod-" + version.group(1) + "|JAVA_HOME=" + absolute);
            }
        } catch (IOException noRelease) {
            // Told below, with the others.
        }
        throw new BenchFailure(Kind.USAGE, "--jdk must be the home of a JDK 17 or newer, got '" + home + "'");
    }
}
