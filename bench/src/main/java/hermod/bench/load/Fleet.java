package hermod.bench.load;

import hermod.bench.load.BenchFailure.Kind;
import hermod.client.ClientRuntime;
import hermod.client.HermodException;
import hermod.protocol.CloseCode;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.IntFunction;

/** The connected clients of a run, on one shared runtime. The list never changes; its clients are for any thread. */
public final class Fleet implements AutoCloseable {
    private static final int CONNECTING_AT_A_TIME = 64;
    private static final long CONNECT_SECONDS = 20;

    private static final int PROBE_TIMEOUT_MS = 5_000;

    private final ClientRuntime runtime;
    private final List<LoadClient> clients = new ArrayList<>();

    private Fleet(ClientRuntime runtime) {
        this.runtime = runtime;
    }

    /**
     * Connects clients, so many at a time that the broker's accept queue stays short.
     *
     * @param tokenOf a token by client index.
     * @param namePrefix of their device ids.
     * @throws BenchFailure NO_BROKER if one cannot connect.
     */
    public static Fleet connect(String server, int count, IntFunction<String> tokenOf, String namePrefix)
            throws InterruptedException {
        probe(server);
        Fleet fleet = new Fleet(ClientRuntime.builder().build());
        try {
            List<CompletableFuture<?>> pending = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                LoadClient client = new LoadClient(server, tokenOf.apply(i), namePrefix + i, fleet.runtime);
                fleet.clients.add(client);
                pending.add(client.connect());
                if (pending.size() == CONNECTING_AT_A_TIME || i == count - 1) {
                    awaitConnected(server, pending);
                    pending.clear();
                }
            }
            return fleet;
        } catch (InterruptedException | RuntimeException failed) {
            fleet.close();
            throw failed;
        }
    }

    /** Clients go on trying for long; a port where nobody listens is told at once. */
    private static void probe(String server) {
        int colon = server.lastIndexOf(':');
        String host = server.substring(0, colon).replace("[", "").replace("]", "");
        try (Socket socket = new Socket()) {
            socket.connect(
                    new InetSocketAddress(host, Integer.parseInt(server.substring(colon + 1))), PROBE_TIMEOUT_MS);
        } catch (IOException nobody) {
            throw new BenchFailure(Kind.NO_BROKER, "cannot connect to " + server + ": " + nobody.getMessage());
        }
    }

    private static void awaitConnected(String server, List<CompletableFuture<?>> pending) throws InterruptedException {
        CompletableFuture<Void> all = CompletableFuture.allOf(pending.toArray(CompletableFuture[]::new));
        try {
            all.get(CONNECT_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException refused) {
            throw new BenchFailure(Kind.NO_BROKER, "cannot connect to " + server + ": " + reason(refused));
        } catch (TimeoutException silent) {
            throw new BenchFailure(
                    Kind.NO_BROKER, "cannot connect to " + server + ": no answer in " + CONNECT_SECONDS + " s");
        }
    }

    private static String reason(ExecutionException refused) {
        Throwable cause = causeOf(refused);
        String hint = cause instanceof HermodException why && why.is(CloseCode.UNAUTHORIZED)
                ? " (give --token; only a broker in development mode takes clients without one)"
                : "";
        return cause.getMessage() + hint;
    }

    private static Throwable causeOf(ExecutionException refused) {
        Throwable cause = refused.getCause();
        return cause == null ? refused : cause;
    }

    /**
     * Waits for requests of the clients, as a scenario's preparation.
     *
     * @throws BenchFailure if one fails or all together take too long.
     */
    public static void await(String what, List<? extends CompletableFuture<?>> requests, long seconds)
            throws InterruptedException {
        try {
            CompletableFuture.allOf(requests.toArray(CompletableFuture[]::new)).get(seconds, TimeUnit.SECONDS);
        } catch (ExecutionException refused) {
            throw new BenchFailure(
                    Kind.FAILED, what + " failed: " + causeOf(refused).getMessage());
        } catch (TimeoutException slow) {
            throw new BenchFailure(Kind.FAILED, what + " took longer than " + seconds + " s");
        }
    }

    public LoadClient client(int index) {
        return clients.get(index);
    }

    public int size() {
        return clients.size();
    }

    @Override
    public void close() {
        clients.forEach(LoadClient::close);
        runtime.close();
    }
}
