package hermod.broker.admin;

import hermod.broker.audit.AuditRecord;
import hermod.broker.audit.AuditSource;
import hermod.broker.audit.AuditStream;
import hermod.broker.audit.NewestFirst;
import java.io.IOException;
import java.io.PrintWriter;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "list",
        mixinStandardHelpOptions = true,
        description =
                "Show the newest records of the audit log, the newest first. 'verify' says whether they can be believed.")
final class AuditListCommand implements Callable<Integer> {
    /** Records hold what strangers sent; a terminal must not obey it. */
    private static final Pattern UNSAFE = Pattern.compile("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]");

    private final StoreOpener stores;

    @Mixin
    private final AuditOption from = new AuditOption();

    @Option(
            names = "--limit",
            paramLabel = "N",
            defaultValue = "50",
            description = "At most as many (default: ${DEFAULT-VALUE}).")
    private long limit;

    @Option(
            names = "--stream",
            paramLabel = "STREAM",
            defaultValue = "",
            description = "Of this stream only, such as operators or shard-0 (default: all).")
    private String stream = "";

    @Option(names = "--json", description = "Print JSON, a record a line.")
    private boolean json;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    AuditListCommand(StoreOpener stores) {
        this.stores = stores;
    }

    @Override
    public Integer call() {
        if (limit < 1) {
            throw new CliException(ExitCode.USAGE, "--limit is " + limit + "; it must be at least 1.");
        }
        return from.read(stores, this::list);
    }

    private int list(AuditSource source) throws IOException {
        List<AuditStream> streams = source.streams().stream()
                .filter(each -> stream.isEmpty()
                        || each.name().equals(stream)
                        || each.name().equals("audit:" + stream))
                .toList();
        if (streams.isEmpty() && !stream.isEmpty()) {
            throw new CliException(ExitCode.USAGE, "There is no audit stream '" + StatsTable.shown(stream) + "'.");
        }
        PrintWriter out = spec.commandLine().getOut();
        NewestFirst all = new NewestFirst(source, streams);
        for (long i = 0; i < limit && !out.checkError(); i++) {
            AuditRecord record = all.next();
            if (record == null) {
                break;
            }
            out.println(json ? AuditJson.line(record) : line(record));
        }
        for (String damaged : all.damaged()) {
            spec.commandLine().getErr().println("hermod: " + StatsTable.shown(damaged) + " can't be read any further.");
        }
        spec.commandLine().getErr().flush();
        out.flush();
        return all.damaged().isEmpty() ? ExitCode.OK : ExitCode.FAILED;
    }

    private static String line(AuditRecord record) {
        StringBuilder line = new StringBuilder()
                .append(Instant.EPOCH.plus(record.timeUs(), ChronoUnit.MICROS))
                .append("  ")
                .append(record.stream())
                .append(':')
                .append(record.sequence())
                .append("  ")
                .append(record.actor())
                .append(' ')
                .append(record.who());
        if (!record.org().isEmpty()) {
            line.append(" of ").append(record.org());
        }
        line.append("  ")
                .append(record.action())
                .append(' ')
                .append(record.subject())
                .append("  ")
                .append(record.outcome());
        record.details()
                .forEach((key, value) ->
                        line.append("  ").append(key).append('=').append(value));
        if (record.missing() > 0) {
            line.append("  (").append(record.missing()).append(" before it were lost)");
        }
        if (!record.isIntact()) {
            line.append("  CHANGED");
        }
        return UNSAFE.matcher(line).replaceAll("?");
    }
}
