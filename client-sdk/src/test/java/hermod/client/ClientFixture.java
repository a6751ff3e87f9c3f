package hermod.client;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** A fake broker and threads of the test's own, and clients that reconnect fast; all ended after the test. */
abstract class ClientFixture {
    static final String ROOM = "chat:room_7";
    static final int EPOCH = 7;
    private static final long PATIENCE_S = 60;

    final List<HermodClient> clients = new ArrayList<>();
    FakeBroker broker;
    ClientRuntime runtime;

    @BeforeEach
    void start() throws IOException {
        broker = new FakeBroker();
        runtime = ClientRuntime.builder().build();
    }

    @AfterEach
    void stop() throws IOException {
        clients.forEach(HermodClient::closeAsync);
        broker.close();
        runtime.close();
    }

    HermodClient.Builder builder() {
        return HermodClient.builder()
                .server(broker.hostPort())
                .runtime(runtime)
                .token("a-token")
                .reconnect(new ReconnectPolicy(Duration.ofMillis(20), Duration.ofMillis(100), 10, 0));
    }

    HermodClient client(HermodClient.Builder builder) {
        HermodClient client = builder.build();
        clients.add(client);
        return client;
    }

    HermodClient client() {
        return client(builder());
    }

    /** Waits, and rethrows what the future failed with. */
    static <T> T done(CompletableFuture<T> future) throws Exception {
        return future.get(PATIENCE_S, TimeUnit.SECONDS);
    }

    /** Waits for a failure. */
    static HermodException failure(CompletableFuture<?> future) throws Exception {
        try {
            future.get(PATIENCE_S, TimeUnit.SECONDS);
        } catch (java.util.concurrent.ExecutionException failed) {
            if (failed.getCause() instanceof HermodException why) {
                return why;
            }
            throw failed;
        }
        throw new AssertionError("it did not fail");
    }
}
