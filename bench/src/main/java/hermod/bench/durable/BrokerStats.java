package hermod.bench.durable;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/** What the broker says of itself on its admin port, as {@code hermod stats --json} does. Stateless, any thread. */
final class BrokerStats {
    private static final Duration LIMIT = Duration.ofSeconds(3);
    private static final ObjectMapper JSON = JsonMapper.builder().build();

    private BrokerStats() {}

    /** @return null where it does not answer. */
    static @Nullable JsonNode read(String admin) throws InterruptedException {
        try {
            HttpRequest request = HttpRequest.newBuilder(URI.create("http://" + admin + "/api/v1/stats"))
                    .timeout(LIMIT)
                    .build();
            HttpResponse<String> answer = HttpClient.newBuilder()
                    .connectTimeout(LIMIT)
                    .build()
                    .send(request, HttpResponse.BodyHandlers.ofString());
            return answer.statusCode() == 200 ? JSON.readTree(answer.body()) : null;
        } catch (IOException | JacksonException | IllegalArgumentException unreadable) {
            return null;
        }
    }

    /** How many events escalated because no device acknowledged them in time: our links do, so any is a fault of bench or broker. 0 where the broker does not tell. */
    static long escalated(@Nullable JsonNode stats) {
        return stats == null
                ? 0
                : stats.path("counters").path("safety_escalated_unacknowledged").asLong(0);
    }

    /** Where a channel's events are kept: its durability, and {@code MEMORY} beside it where it is not on disk whatever its policy says; null where the broker does not tell. */
    static @Nullable String durabilityOf(@Nullable JsonNode stats, String channel) {
        if (stats == null) {
            return null;
        }
        for (JsonNode one : stats.path("channels")) {
            if (channel.equals(one.path("channel").asString(""))) {
                String durability = one.path("durability").asString("");
                return one.path("runsInMemory").asBoolean(false) ? durability + ", runs in MEMORY" : durability;
            }
        }
        return null;
    }
}
