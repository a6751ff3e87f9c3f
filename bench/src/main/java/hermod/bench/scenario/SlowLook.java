package hermod.bench.scenario;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/**
 * What operators see while subscribers are stopped: the broker's memory, and what its admin port says of the stopped connections. Immutable.
 *
 * @param residentKib of the broker's process; 0 if it is not known.
 * @param seen stopped connections that the admin port told of.
 * @param outboxLeastBytes what the emptiest of them had waiting, and {@code outboxMostBytes} the fullest.
 * @param causes why they are slow, each with the connections that have it; empty where the broker does not tell.
 */
record SlowLook(long residentKib, int seen, long outboxLeastBytes, long outboxMostBytes, Map<String, Integer> causes) {
    private static final Duration LIMIT = Duration.ofSeconds(3);
    private static final ObjectMapper JSON = JsonMapper.builder().build();
    private static final HttpClient HTTP =
            HttpClient.newBuilder().connectTimeout(LIMIT).build();

    /**
     * @param admin HOST:PORT, or null.
     * @param runId as in the generator's device ids.
     * @param firstIndex of the connections that stop.
     */
    static SlowLook take(@Nullable String admin, long brokerPid, String runId, int firstIndex) {
        long residentKib = residentKib(brokerPid);
        Map<String, Integer> causes = new TreeMap<>();
        long[] outbox = {Long.MAX_VALUE, 0};
        int seen = 0;
        for (JsonNode row : rows(admin, "/api/v1/connections")) {
            if (isStopped(row, runId, firstIndex)) {
                long bytes = row.path("outboxBytes").asLong(0);
                outbox[0] = Math.min(outbox[0], bytes);
                outbox[1] = Math.max(outbox[1], bytes);
                seen++;
                addCause(row, causes);
            }
        }
        if (causes.isEmpty() && seen > 0) {
            for (JsonNode row : rows(admin, "/api/v1/stats?slow=true")) {
                if (isStopped(row, runId, firstIndex)) {
                    addCause(row, causes);
                }
            }
        }
        return new SlowLook(residentKib, seen, seen == 0 ? 0 : outbox[0], outbox[1], causes);
    }

    private static void addCause(JsonNode row, Map<String, Integer> causes) {
        String cause = row.path("cause").asString("");
        if (!cause.isEmpty()) {
            causes.merge(cause, 1, Integer::sum);
        }
    }

    private static boolean isStopped(JsonNode row, String runId, int firstIndex) {
        String device = row.path("device").asString("");
        String prefix = "loadgen-" + runId + "-";
        if (!device.startsWith(prefix) || !device.endsWith("s")) {
            return false;
        }
        return Integer.parseInt(device.substring(prefix.length(), device.length() - 1)) >= firstIndex;
    }

    private static Iterable<JsonNode> rows(@Nullable String admin, String path) {
        JsonNode none = JSON.createArrayNode();
        if (admin == null) {
            return none;
        }
        try {
            HttpRequest request = HttpRequest.newBuilder(URI.create("http://" + admin + path))
                    .timeout(LIMIT)
                    .build();
            HttpResponse<String> answer = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
            JsonNode body = answer.statusCode() == 200 ? JSON.readTree(answer.body()) : none;
            JsonNode slow = body.path("slow");
            JsonNode rows = slow.isArray() ? slow : body.path("connections");
            return rows.isArray() ? rows : none;
        } catch (IOException | JacksonException | IllegalArgumentException unreadable) {
            return none;
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return none;
        }
    }

    private static long residentKib(long pid) {
        if (pid == 0) {
            return 0;
        }
        try {
            for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/status"))) {
                if (line.startsWith("VmRSS:")) {
                    return Long.parseLong(line.replaceAll("\\D", ""));
                }
            }
        } catch (IOException gone) {
            return 0;
        }
        return 0;
    }
}
