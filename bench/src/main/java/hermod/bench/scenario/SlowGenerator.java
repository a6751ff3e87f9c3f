package hermod.bench.scenario;

import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Runs the C generator's mode {@code slow} once. Before the stopped subscribers of a round go on it says HELD and waits for a line, which is sent when
 * {@code atHold} returns. One thread; a second one hands on what the generator writes to stderr.
 */
final class SlowGenerator {
    /** What the generator's stamp takes of a payload. */
    static final int SIZE_MIN = 32;

    private static final long STOP_SECONDS = 10;

    /**
     * @param subscribers in all.
     * @param stalled how many of them stop.
     * @param seconds of each of the two measured parts of a round.
     * @param rate events a second in the second part.
     * @param mostEvents that a round publishes before the part at a fixed rate; 0 for as many as go.
     * @param brokerPid 0 if it is not known; there is no processor time then.
     */
    record Load(
            String server,
            String token,
            String channel,
            int subscribers,
            int stalled,
            int pairs,
            double seconds,
            int rate,
            int size,
            List<SlowRound.Kind> kinds,
            long mostEvents,
            long seed,
            long brokerPid) {}

    private final Path folder;
    private final Consumer<String> say;

    /** @param folder of the C tools, built. */
    SlowGenerator(Path folder, Consumer<String> say) {
        this.folder = folder;
        this.say = say;
    }

    /**
     * Runs it to its end.
     *
     * @param onRound gets each round when it is over; those of block 0 warm up.
     * @return its last line: the sums, or {@code error}.
     * @throws BenchFailure FAILED if it cannot be run or ends without a result.
     */
    SlowRound run(Load load, Consumer<SlowRound> atHold, Consumer<SlowRound> onRound) throws InterruptedException {
        Process process = start(load);
        Thread stopper = new Thread(process::destroyForcibly, "bench-stop-generator");
        Runtime.getRuntime().addShutdownHook(stopper);
        try {
            Thread errors = new Thread(() -> handOn(process), "bench-generator-stderr");
            errors.setDaemon(true);
            errors.start();
            SlowRound last = read(process, atHold, onRound);
            if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) {
                say.accept("the generator does not end and is stopped");
            }
            if (last == null) {
                throw new BenchFailure(Kind.FAILED, "the generator ended without a result");
            }
            return last;
        } finally {
            process.destroyForcibly();
            removeHook(stopper);
        }
    }

    private Process start(Load load) {
        int colon = load.server.lastIndexOf(':');
        StringBuilder kinds = new StringBuilder();
        load.kinds.forEach(kind -> kinds.append(kind.letter()));
        List<String> command = new ArrayList<>(List.of("./loadgen", "slow", "--proto", "hermod", "--hold"));
        command.addAll(List.of("--host", address(load.server.substring(0, colon))));
        command.addAll(List.of("--port", load.server.substring(colon + 1)));
        command.addAll(List.of("--subs", Integer.toString(load.subscribers)));
        command.addAll(List.of("--stalled", Integer.toString(load.stalled)));
        command.addAll(List.of("--pairs", Integer.toString(load.pairs)));
        command.addAll(List.of("--secs", String.format(Locale.ROOT, "%.3f", load.seconds)));
        command.addAll(List.of("--rate", Integer.toString(load.rate)));
        command.addAll(List.of("--size", Integer.toString(load.size)));
        command.addAll(List.of("--window", "100"));
        command.addAll(List.of("--kinds", kinds.toString()));
        command.addAll(List.of("--most", Long.toString(load.mostEvents)));
        command.addAll(List.of("--seed", Long.toString(load.seed)));
        command.addAll(List.of("--pid", Long.toString(load.brokerPid)));
        ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
        builder.environment().put("HERMOD_TOKEN", load.token);
        builder.environment().put("HERMOD_CHANNEL", load.channel);
        try {
            return builder.start();
        } catch (IOException failed) {
            throw new BenchFailure(Kind.FAILED, "the generator cannot be run: " + failed.getMessage());
        }
    }

    private static String address(String host) {
        try {
            return InetAddress.getByName(host).getHostAddress();
        } catch (UnknownHostException unknown) {
            throw new BenchFailure(Kind.NO_BROKER, "no such host: " + host);
        }
    }

    private static @Nullable SlowRound read(Process process, Consumer<SlowRound> atHold, Consumer<SlowRound> onRound) {
        SlowRound last = null;
        try (BufferedReader lines =
                        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
                OutputStream answers = process.getOutputStream()) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.startsWith("HELD ")) {
                    atHold.accept(SlowRound.parse(line));
                    answers.write('\n');
                    answers.flush();
                } else if (line.startsWith("ROUND ")) {
                    onRound.accept(SlowRound.parse(line));
                } else if (line.startsWith("RESULT ")) {
                    last = SlowRound.parse(line);
                }
            }
        } catch (IOException closed) {
            // It has ended; what it has told by then is what there is.
        }
        return last;
    }

    private void handOn(Process process) {
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                say.accept("generator: " + line);
            }
        } catch (IOException closed) {
            // The generator has ended.
        }
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException shuttingDown) {
            // The hook is running and does what we would.
        }
    }
}
