package hermod.bench.report;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.regex.Pattern;

/** The machine of a result, and the lines a result file begins with. Stateless, any thread. */
public final class Machine {
    /** The folders of an absolute path: a file that others read has no use for them. */
    private static final Pattern FOLDERS = Pattern.compile("(?<=^|[ =,:|])/(?:[^ /|]+/)+");

    private Machine() {}

    /** Markdown: title and day, the command without its folders, machine, commit and rights. */
    public static String heading(String title, Origin origin) {
        return String.join(
                System.lineSeparator(),
                "# " + title + ", " + LocalDate.now(),
                "",
                "    " + FOLDERS.matcher(origin.command()).replaceAll("…/"),
                "",
                "Machine: " + origin.cores() + " cores, " + processor() + ", " + memory() + ", " + origin.os()
                        + "; loopback, generator and brokers on the same cores. " + origin.jdk() + ". Commit "
                        + origin.commit() + ".",
                "Token: " + origin.rights() + ".",
                "",
                "");
    }

    /** As the kernel names it. */
    public static String processor() {
        return procValue("/proc/cpuinfo", "model name", "unknown processor");
    }

    /** In GiB. */
    public static String memory() {
        String kib = procValue("/proc/meminfo", "MemTotal", "0 kB").replaceAll("\\D", "");
        return Math.round(Long.parseLong(kib) / 1024.0 / 1024.0) + " GiB";
    }

    private static String procValue(String file, String key, String otherwise) {
        try {
            for (String line : Files.readAllLines(Path.of(file))) {
                if (line.startsWith(key)) {
                    return line.substring(line.indexOf(':') + 1).strip();
                }
            }
        } catch (IOException notLinux) {
            // Said with the words for it.
        }
        return otherwise;
    }
}
