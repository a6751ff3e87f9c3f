package hermod.bench.fuzz;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/** The frames of the protocol's test vectors, good and broken, where a source tree is at hand. Stateless, any thread. */
public final class VectorSeeds {
    private static final String FOLDER = "protocol/src/test/resources/vectors";
    private static final ObjectMapper JSON = JsonMapper.builder().build();

    private VectorSeeds() {}

    /**
     * Reads what can be read; a vector that cannot is left out.
     *
     * @param root of the source tree, or null.
     */
    public static List<byte[]> read(@Nullable Path root) {
        List<byte[]> frames = new ArrayList<>();
        Path folder = root == null ? null : root.resolve(FOLDER);
        if (folder == null || !Files.isDirectory(folder)) {
            return frames;
        }
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(path -> path.toString().endsWith(".json"))
                    .sorted()
                    .toList()) {
                readFile(file, frames);
            }
        } catch (IOException unreadable) {
            return frames;
        }
        return frames;
    }

    private static void readFile(Path file, List<byte[]> frames) throws IOException {
        try {
            for (JsonNode vector : JSON.readTree(Files.readString(file))) {
                JsonNode hex = vector.get("hex");
                if (hex != null
                        && hex.isString()
                        && !hex.stringValue().isEmpty()
                        && hex.stringValue().length() <= 2 * FrameFuzzer.FRAME_BYTES_MAX) {
                    frames.add(HexFormat.of().parseHex(hex.stringValue().replace(" ", "")));
                }
            }
        } catch (JacksonException | IllegalArgumentException broken) {
            return;
        }
    }
}
