package hermod.bench.fuzz;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/** Reads the broker's own counters after a run, from {@code /api/v1/stats} on its admin port. Stateless, any thread. */
public final class BrokerCounters {
    private static final Duration LIMIT = Duration.ofSeconds(3);
    private static final ObjectMapper JSON = JsonMapper.builder().build();

    private BrokerCounters() {}

    /**
     * @param admin HOST:PORT, or null where it is not known.
     * @param notes gets a sentence if the counters cannot be read.
     * @return {@code brokerCounters} with the numbers of the answer's top level and of its {@code counters}; empty without an admin port.
     */
    public static Map<String, Object> read(@Nullable String admin, List<String> notes) {
        if (admin == null) {
            return Map.of();
        }
        try {
            HttpRequest request = HttpRequest.newBuilder(URI.create("http://" + admin + "/api/v1/stats"))
                    .timeout(LIMIT)
                    .build();
            HttpResponse<String> answer = HttpClient.newBuilder()
                    .connectTimeout(LIMIT)
                    .build()
                    .send(request, HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != 200) {
                notes.add("the broker's counters were not read: its admin port answered " + answer.statusCode());
                return Map.of();
            }
            JsonNode stats = JSON.readTree(answer.body());
            Map<String, Object> counters = numbersOf(stats);
            counters.putAll(numbersOf(stats.path("counters")));
            return Map.of("brokerCounters", counters);
        } catch (IOException | JacksonException | IllegalArgumentException unreadable) {
            notes.add("the broker's counters were not read: " + unreadable);
            return Map.of();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return Map.of();
        }
    }

    private static Map<String, Object> numbersOf(JsonNode node) {
        Map<String, Object> numbers = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> property : node.properties()) {
            if (property.getValue().isNumber()) {
                numbers.put(property.getKey(), property.getValue().numberValue());
            }
        }
        return numbers;
    }
}
