package hermod.broker.admin;

import hermod.broker.audit.AuditSource;
import hermod.broker.audit.AuditStream;
import hermod.broker.audit.ChainCheck;
import hermod.broker.audit.Finding;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "verify",
        mixinStandardHelpOptions = true,
        description = {
            "Check every chain of the audit log from its first record: finds a record that was changed, is missing or stands elsewhere.",
            "Records cut off at the end can't be seen by a chain alone: note the heads that are printed, elsewhere, and give them with --expect the next time."
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:intact", "1:damaged", "2:usage", "3:no broker at the address"})
final class AuditVerifyCommand implements Callable<Integer> {
    private static final String PREFIX = "audit:";

    private final StoreOpener stores;

    @Mixin
    private final AuditOption from = new AuditOption();

    @Option(
            names = "--expect",
            paramLabel = "STREAM:SEQUENCE:HASH",
            description = "A head that was printed earlier and must still be there; may be repeated.")
    private List<String> expected = new ArrayList<>();

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    AuditVerifyCommand(StoreOpener stores) {
        this.stores = stores;
    }

    /** A chain's head as it was once. */
    private record Head(String stream, long sequence, String hash) {
        static Head parse(String text) {
            int hashAt = text.lastIndexOf(':');
            int sequenceAt = text.lastIndexOf(':', hashAt - 1);
            if (sequenceAt > 0
                    && text.substring(hashAt + 1).matches("[0-9a-fA-F]{64}")
                    && text.substring(sequenceAt + 1, hashAt).matches("[0-9]{1,18}")) {
                String stream = text.substring(0, sequenceAt);
                return new Head(
                        stream.startsWith(PREFIX) ? stream : PREFIX + stream,
                        Long.parseLong(text.substring(sequenceAt + 1, hashAt)),
                        text.substring(hashAt + 1));
            }
            throw new CliException(
                    ExitCode.USAGE,
                    "--expect is '" + text + "'; it must be a head as it was printed, such as operators:17:HASH.");
        }
    }

    @Override
    public Integer call() {
        List<Head> heads = expected.stream().map(Head::parse).toList();
        return from.read(stores, source -> verify(source, heads));
    }

    private int verify(AuditSource source, List<Head> heads) throws IOException {
        Map<String, AuditStream> streams = new LinkedHashMap<>();
        source.streams().forEach(stream -> streams.put(stream.name(), stream));
        List<ChainCheck> checks = new ArrayList<>();
        for (AuditStream stream : streams.values()) {
            ChainCheck check = check(stream.name(), heads).run(source, stream);
            checks.add(check);
            if (!json) {
                print(check);
            }
        }
        heads.stream()
                .map(Head::stream)
                .distinct()
                .filter(name -> !streams.containsKey(name))
                .forEach(name -> {
                    ChainCheck gone = check(name, heads).nothingThere();
                    checks.add(gone);
                    if (!json) {
                        print(gone);
                    }
                });
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.println(AuditJson.checks(checks));
        } else if (checks.isEmpty()) {
            out.println("There is no audit record.");
        }
        out.flush();
        return checks.stream().allMatch(ChainCheck::isIntact) ? ExitCode.OK : ExitCode.FAILED;
    }

    private static ChainCheck check(String stream, List<Head> heads) {
        ChainCheck check = new ChainCheck(stream);
        heads.stream()
                .filter(head -> head.stream().equals(stream) && head.sequence() > 0)
                .forEach(head -> check.expect(head.sequence(), head.hash()));
        return check;
    }

    private void print(ChainCheck check) {
        PrintWriter out = spec.commandLine().getOut();
        StringBuilder line = new StringBuilder(StatsTable.shown(check.stream()))
                .append(check.isIntact() ? ": intact, " : ": DAMAGED, ")
                .append(check.recordCount())
                .append(check.recordCount() == 1 ? " record" : " records");
        if (check.lostCount() > 0) {
            line.append(", ").append(check.lostCount()).append(" lost when the disk took none");
        }
        out.println(line);
        for (Finding finding : check.findings()) {
            out.println("  " + finding.kind().label() + " at " + finding.sequence() + ": expected " + finding.expected()
                    + ", found " + finding.found());
        }
        if (check.findingCount() > check.findings().size()) {
            out.println("  and " + (check.findingCount() - check.findings().size()) + " more");
        }
        out.println("  head " + StatsTable.shown(check.stream()) + ":" + check.headSequence() + ":" + check.headHash());
        out.flush();
    }
}
