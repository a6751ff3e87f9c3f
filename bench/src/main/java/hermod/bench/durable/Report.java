package hermod.bench.durable;

import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import hermod.bench.report.Machine;
import hermod.bench.report.Origin;
import hermod.bench.report.ResultJson;
import hermod.bench.report.ResultText;
import hermod.bench.report.RunResult;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where the result goes, and the sentences beside its figures. Options of the command line; one thread. */
final class Report {
    private static final String STDOUT = "-";

    private final List<String> notes = new ArrayList<>();
    private final List<String> faults = new ArrayList<>();

    @Option(names = "--json", paramLabel = "FILE", description = "Write the result as JSON; - for stdout.")
    private @Nullable String json;

    @Option(names = "--results", paramLabel = "FILE", description = "Write the tables as markdown.")
    private @Nullable Path results;

    /** Something to know about the figures; said at once on {@code err}. */
    void note(PrintStream err, String sentence) {
        err.println(sentence);
        notes.add(sentence);
    }

    /** Why the run is no good. */
    void fault(String sentence) {
        faults.add(sentence);
    }

    List<String> faults() {
        return List.copyOf(faults);
    }

    /**
     * Writes it wherever it was asked for.
     *
     * @param tables markdown.
     * @param result without sentences and with what only the JSON has.
     * @param shown of its extras, what the text has too.
     * @return the exit code.
     */
    int write(
            PrintStream out,
            PrintStream err,
            String title,
            String tables,
            RunResult result,
            Map<String, Object> shown,
            Origin origin) {
        RunResult text = with(result, shown);
        RunResult full = with(result, result.extras());
        PrintStream textTo = STDOUT.equals(json) ? err : out;
        textTo.println(tables);
        textTo.print(ResultText.of(text, origin));
        if (STDOUT.equals(json)) {
            out.println(ResultJson.of(full, origin));
        } else if (json != null) {
            write(Path.of(json), ResultJson.of(full, origin) + System.lineSeparator());
        }
        if (results != null) {
            write(results, Machine.heading(title, origin) + tables + sentences());
        }
        return full.isGood() ? 0 : Kind.FAILED.exitCode();
    }

    private RunResult with(RunResult result, Map<String, Object> extras) {
        return new RunResult(
                result.workload(),
                result.seconds(),
                result.verdict(),
                result.perSecond(),
                result.latencyUs(),
                extras,
                notes,
                faults);
    }

    private String sentences() {
        StringBuilder text = new StringBuilder(System.lineSeparator());
        notes.forEach(note -> text.append("Note: ").append(note).append(System.lineSeparator()));
        faults.forEach(fault -> text.append("Fault: ").append(fault).append(System.lineSeparator()));
        return text.toString();
    }

    private static void write(Path file, String text) {
        try {
            Files.writeString(file, text);
        } catch (IOException unwritable) {
            throw new BenchFailure(Kind.FAILED, "the result cannot be written: " + unwritable.getMessage());
        }
    }
}
