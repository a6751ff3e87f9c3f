package hermod.protocol.vectors;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The test vectors of section 14; their README says what each key means. */
public final class Vectors {
    private static final List<String> VALID = List.of(
            "handshake",
            "session",
            "topics",
            "publish",
            "event",
            "clock",
            "later",
            "filters",
            "batch",
            "history",
            "schedules",
            "state",
            "groups");
    private static final JsonMapper JSON = new JsonMapper();

    private Vectors() {}

    /**
     * One whole frame that keeps the rules.
     *
     * @param canonical whether encoding the fields gives the same bytes.
     */
    public record Valid(String name, byte[] bytes, String frame, boolean canonical, JsonNode fields) {
        @Override
        public String toString() {
            return name;
        }
    }

    /**
     * Bytes that break a rule, and who answers them with what.
     *
     * @param agreed names of the features that were agreed.
     */
    public record Broken(
            String name,
            byte[] bytes,
            String error,
            boolean toClient,
            boolean afterWelcome,
            Set<String> agreed,
            List<Long> refused) {
        @Override
        public String toString() {
            return name;
        }
    }

    public static List<Valid> valid() {
        return VALID.stream()
                .flatMap(Vectors::entries)
                .map(entry -> new Valid(
                        entry.get("name").asString(),
                        bytes(entry),
                        entry.get("frame").asString(),
                        entry.path("canonical").asBoolean(true),
                        entry.get("fields")))
                .toList();
    }

    public static List<Broken> broken() {
        return entries("broken")
                .map(entry -> new Broken(
                        entry.get("name").asString(),
                        bytes(entry),
                        entry.get("error").asString(),
                        entry.get("receiver").asString().equals("client"),
                        entry.get("state").asString().equals("open"),
                        texts(entry.get("agreed")),
                        numbers(entry.get("refused"))))
                .toList();
    }

    /** The frames of a body kind, by the name of section 3. */
    public static List<byte[]> framesOf(String... frames) {
        return valid().stream()
                .filter(vector -> List.of(frames).contains(vector.frame()))
                .map(Valid::bytes)
                .toList();
    }

    private static byte[] bytes(JsonNode entry) {
        return HexFormat.of().parseHex(entry.get("hex").asString());
    }

    private static Set<String> texts(@Nullable JsonNode array) {
        Set<String> texts = new HashSet<>();
        if (array != null) {
            array.forEach(text -> texts.add(text.asString()));
        }
        return texts;
    }

    private static List<Long> numbers(@Nullable JsonNode array) {
        List<Long> numbers = new ArrayList<>();
        if (array != null) {
            array.forEach(number -> numbers.add(number.asLong()));
        }
        return numbers;
    }

    private static Stream<JsonNode> entries(String file) {
        try (InputStream in = Vectors.class.getResourceAsStream("/vectors/" + file + ".json")) {
            return JSON.readTree(in).valueStream();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
