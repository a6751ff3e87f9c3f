package hermod.broker.safety;

import hermod.broker.shard.ShardClock;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.GeneralSecurityException;
import java.util.HexFormat;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.DelayQueue;
import java.util.concurrent.Delayed;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Posts escalations to the operator's address, one at a time, on a thread of its own: signed, and again with growing waits until it is taken or as many attempts were made as may be.
 *
 * <p>Taken is what is answered with a status of 2xx in time; redirects are not followed. What was not taken in order may come out of order: each has its id.
 */
final class Webhook implements AutoCloseable {
    static final String TIMESTAMP_HEADER = "Hermod-Timestamp";
    static final String SIGNATURE_HEADER = "Hermod-Signature";

    private static final Logger LOG = LoggerFactory.getLogger(Webhook.class);
    private static final String ALGORITHM = "HmacSHA256";
    private static final long CLOSE_MS_MAX = 2_000;

    /** What became of a post; on the webhook's thread. */
    interface Listener {
        void onEnd(boolean isTaken);
    }

    private static final class Post implements Delayed {
        final byte[] body;
        final Listener listener;
        int attempts;
        long dueNs = ShardClock.monotonicNs();

        Post(byte[] body, Listener listener) {
            this.body = body;
            this.listener = listener;
        }

        @Override
        public long getDelay(TimeUnit unit) {
            return unit.convert(dueNs - ShardClock.monotonicNs(), TimeUnit.NANOSECONDS);
        }

        @Override
        public int compareTo(Delayed other) {
            return Long.compare(dueNs - ((Post) other).dueNs, 0);
        }
    }

    private final SafetyConfig config;
    private final URI uri;
    private final SecretKeySpec secret;
    private final DelayQueue<Post> queue = new DelayQueue<>();

    /** The one that is being posted included. */
    private final AtomicInteger waiting = new AtomicInteger();

    private final Thread thread = new Thread(this::run, "hermod-safety-webhook");

    Webhook(SafetyConfig config, String url, byte[] secret) {
        this.config = config;
        this.uri = URI.create(url);
        this.secret = new SecretKeySpec(secret, ALGORITHM);
        thread.setDaemon(true);
    }

    void start() {
        thread.start();
    }

    /** Any thread, never waits. @return false where as many wait as may: the listener is not called. */
    boolean post(byte[] body, Listener listener) {
        if (waiting.incrementAndGet() > config.webhookQueueLimitCount()) {
            waiting.decrementAndGet();
            return false;
        }
        queue.add(new Post(body, listener));
        return true;
    }

    /** Posts nothing more, and does not say what became of those that wait. */
    @Override
    public void close() {
        thread.interrupt();
        try {
            thread.join(CLOSE_MS_MAX);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        HttpClient http = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .build();
        try {
            while (!Thread.currentThread().isInterrupted()) {
                attempt(http, queue.take());
            }
        } catch (InterruptedException closing) {
            Thread.currentThread().interrupt();
        }
    }

    private void attempt(HttpClient http, Post post) throws InterruptedException {
        post.attempts++;
        String fault;
        try {
            fault = faultOf(http, post);
        } catch (RuntimeException defect) {
            // The thread is all escalations': it must not end with one of them.
            LOG.error("defect in the webhook", defect);
            fault = String.valueOf(defect);
        }
        if (fault.isEmpty()) {
            end(post, true);
        } else if (post.attempts < config.webhookAttemptsLimitCount()) {
            LOG.warn(
                    "an escalation was not taken by the webhook and is sent again: attempt={}, why={}",
                    post.attempts,
                    fault);
            long waitMs = (long) config.webhookRetryAfterMs() << Math.min(post.attempts - 1, 20);
            post.dueNs = ShardClock.monotonicNs() + TimeUnit.MILLISECONDS.toNanos(waitMs);
            queue.add(post);
        } else {
            LOG.error("an escalation was not taken by the webhook: attempts={}, why={}", post.attempts, fault);
            end(post, false);
        }
    }

    private void end(Post post, boolean isTaken) {
        waiting.decrementAndGet();
        post.listener.onEnd(isTaken);
    }

    /** @return why it was not taken; empty where it was. */
    private String faultOf(HttpClient http, Post post) throws InterruptedException {
        String timestamp = Long.toString(ShardClock.wallUs() / 1_000_000);
        HttpRequest request = HttpRequest.newBuilder(uri)
                .header("Content-Type", "application/json")
                .header(TIMESTAMP_HEADER, timestamp)
                .header(SIGNATURE_HEADER, "sha256=" + signature(timestamp, post.body))
                .POST(HttpRequest.BodyPublishers.ofByteArray(post.body))
                .build();
        // The request's own time-out ends with the head of the answer.
        CompletableFuture<HttpResponse<Void>> answer = http.sendAsync(request, HttpResponse.BodyHandlers.discarding());
        try {
            int status =
                    answer.get(config.webhookTimeoutMs(), TimeUnit.MILLISECONDS).statusCode();
            return status / 100 == 2 ? "" : "status " + status;
        } catch (TimeoutException slow) {
            return "no answer in " + config.webhookTimeoutMs() + " ms";
        } catch (ExecutionException failed) {
            return String.valueOf(failed.getCause());
        } finally {
            answer.cancel(true);
        }
    }

    private String signature(String timestamp, byte[] body) {
        try {
            Mac mac = Mac.getInstance(ALGORITHM);
            mac.init(secret);
            mac.update((timestamp + ".").getBytes(java.nio.charset.StandardCharsets.US_ASCII));
            return HexFormat.of().formatHex(mac.doFinal(body));
        } catch (GeneralSecurityException impossible) {
            throw new IllegalStateException("every JDK has " + ALGORITHM, impossible);
        }
    }
}
