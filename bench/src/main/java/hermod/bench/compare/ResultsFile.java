package hermod.bench.compare;

import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import hermod.bench.report.Machine;
import hermod.bench.report.Origin;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.List;
import java.util.regex.Pattern;

/** A comparison as a markdown file that stands by itself: where it comes from, what ran, the figures. Stateless, any thread. */
final class ResultsFile {
    /** The folders of an absolute path: a file that others read has no use for them. */
    private static final Pattern FOLDERS = Pattern.compile("(?<=^|[ =,:|])/(?:[^ /|]+/)+");

    private ResultsFile() {}

    /** @param goals the table of the goals, empty if nobody asked for it. */
    static String text(Comparison comparison, Origin origin, LocalDate day, String goals, List<String> notes) {
        StringBuilder out = new StringBuilder();
        line(out, "# Hermod beside others, " + day);
        line(out, "");
        line(out, "    " + FOLDERS.matcher(origin.command()).replaceAll("…/"));
        line(out, "");
        line(
                out,
                "Machine: " + origin.cores() + " cores, " + Machine.processor() + ", " + Machine.memory() + ", "
                        + origin.os() + "; loopback, generator and broker on the same cores. Commit " + origin.commit()
                        + ".");
        line(out, "Token of Hermod's lanes: " + origin.rights() + ".");
        line(out, "");
        line(out, "| lane | what ran |");
        line(out, "|---|---|");
        comparison
                .versions()
                .forEach((lane, version) -> line(out, "| " + lane + " | " + version.replace("|", "\\|") + " |"));
        line(out, "");
        Noise.of(comparison).forEach(sentence -> line(out, sentence));
        notes.forEach(note -> line(out, note));
        comparison.faults().forEach(fault -> line(out, "Fault: " + fault));
        if (!goals.isEmpty()) {
            line(out, "");
            line(out, "## Goals");
            line(out, "");
            out.append(goals);
        }
        line(out, "");
        line(out, "## Medians over the rounds");
        out.append(Tables.of(comparison));
        return out.toString();
    }

    static void write(Path file, String text) {
        try {
            Files.writeString(file, text);
        } catch (IOException unwritable) {
            throw new BenchFailure(Kind.FAILED, "the results cannot be written: " + unwritable.getMessage());
        }
    }

    private static void line(StringBuilder out, String line) {
        out.append(line).append(System.lineSeparator());
    }
}
