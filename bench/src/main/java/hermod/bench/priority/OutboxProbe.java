package hermod.bench.priority;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/** Asks the broker every tenth of a second what it owes one connection. A thread of its own from start to {@link #stop}. */
final class OutboxProbe {
    private static final long EVERY_MS = 100;
    private static final Duration LIMIT = Duration.ofSeconds(3);
    private static final ObjectMapper JSON = JsonMapper.builder().build();

    /**
     * What the outbox held.
     *
     * @param samples answers that knew the connection; without any the other figures are 0.
     */
    record Fill(long leastBytes, double meanBytes, int samples) {
        static final Fill UNKNOWN = new Fill(0, 0, 0);
    }

    private final HttpClient http =
            HttpClient.newBuilder().connectTimeout(LIMIT).build();
    private final HttpRequest request;
    private final String device;
    private final Thread thread;
    private volatile boolean isStopped;
    private long leastBytes = Long.MAX_VALUE;
    private long sumBytes;
    private int samples;

    /**
     * @param admin HOST:PORT.
     * @param device of the connection.
     */
    OutboxProbe(String admin, String device) {
        request = HttpRequest.newBuilder(URI.create("http://" + admin + "/api/v1/connections"))
                .timeout(LIMIT)
                .build();
        this.device = device;
        thread = new Thread(this::run, "bench-outbox-probe");
        thread.setDaemon(true);
    }

    OutboxProbe start() {
        thread.start();
        return this;
    }

    Fill stop() throws InterruptedException {
        isStopped = true;
        thread.interrupt();
        thread.join();
        return samples == 0 ? Fill.UNKNOWN : new Fill(leastBytes, (double) sumBytes / samples, samples);
    }

    private void run() {
        try {
            while (!isStopped) {
                Thread.sleep(EVERY_MS);
                sample();
            }
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        }
    }

    private void sample() throws InterruptedException {
        try {
            String answer =
                    http.send(request, HttpResponse.BodyHandlers.ofString()).body();
            for (JsonNode connection : JSON.readTree(answer).path("connections")) {
                if (connection.path("device").asString().equals(device)) {
                    long bytes = connection.path("outboxBytes").asLong();
                    leastBytes = Math.min(leastBytes, bytes);
                    sumBytes += bytes;
                    samples++;
                }
            }
        } catch (IOException | JacksonException unanswered) {
            // Fewer samples; the result tells how many there were.
        }
    }
}
