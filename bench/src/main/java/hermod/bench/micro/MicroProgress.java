package hermod.bench.micro;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Locale;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.results.BenchmarkResult;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.format.OutputFormat;

/** JMH's progress in a line for each benchmark, and what a forked JVM complains about. JMH's own thread. */
public final class MicroProgress implements OutputFormat {
    private final PrintStream err;
    private int count;

    public MicroProgress(PrintStream err) {
        this.err = err;
    }

    @Override
    public void startBenchmark(BenchmarkParams benchmark) {
        // Told when it has a figure.
    }

    @Override
    public void endBenchmark(BenchmarkResult result) {
        count++;
        if (result != null) {
            err.println(String.format(
                    Locale.ROOT,
                    "%3d  %-40s %,12.1f %s",
                    count,
                    MicroTable.nameOf(result.getParams()),
                    result.getPrimaryResult().getScore(),
                    result.getPrimaryResult().getScoreUnit()));
        }
    }

    /** Lines of JMH's report begin with a number sign; what does not is a complaint. */
    @Override
    public void println(String line) {
        if (!line.isBlank() && !line.startsWith("#")) {
            err.println(line);
        }
    }

    @Override
    public void print(String text) {
        // Parts of lines of JMH's report.
    }

    @Override
    public void verbosePrintln(String line) {}

    @Override
    public void iteration(BenchmarkParams benchmark, IterationParams params, int iteration) {}

    @Override
    public void iterationResult(
            BenchmarkParams benchmark, IterationParams params, int iteration, IterationResult result) {}

    @Override
    public void startRun() {}

    @Override
    public void endRun(Collection<RunResult> results) {}

    @Override
    public void flush() {
        err.flush();
    }

    @Override
    public void close() {
        flush();
    }

    @Override
    public void write(int octet) {
        err.write(octet);
    }

    @Override
    public void write(byte[] octets) throws IOException {
        err.print(new String(octets, StandardCharsets.UTF_8));
    }
}
