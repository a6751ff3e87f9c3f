package hermod.broker.admin;

import java.io.PrintWriter;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "groups",
        mixinStandardHelpOptions = true,
        description = "Show the consumer groups of whole channels: how many members, and how far behind.",
        subcommands = GroupsCommand.DeleteCommand.class)
final class GroupsCommand implements Callable<Integer> {
    @Mixin
    private final AdminOption admin = new AdminOption();

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    @Override
    public Integer call() {
        byte[] answer = admin.client().get(AdminApi.GROUPS);
        PrintWriter out = spec.commandLine().getOut();
        out.print(json ? new String(answer, StandardCharsets.UTF_8) + "\n" : StatsTable.groups(JsonTree.parse(answer)));
        out.flush();
        return ExitCode.OK;
    }

    @Command(
            name = "delete",
            mixinStandardHelpOptions = true,
            description = {
                "Delete a group with its place; its members are told, and what it has not settled goes to nobody.",
                "Deleting the last group of a channel ends the channel's log."
            })
    static final class DeleteCommand implements Callable<Integer> {
        @Mixin
        private final AdminOption admin = new AdminOption();

        @Parameters(index = "0", paramLabel = "ORG", description = "The group's org.")
        private String org = "";

        @Parameters(index = "1", paramLabel = "CHANNEL", description = "The group's channel.")
        private String channel = "";

        @Parameters(index = "2", paramLabel = "NAME", description = "The group's name.")
        private String name = "";

        @Spec
        @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
        private CommandSpec spec;

        @Override
        public Integer call() {
            admin.client()
                    .post(AdminApi.GROUPS + "?delete=" + escaped(name) + "&org=" + escaped(org) + "&channel="
                            + escaped(channel));
            spec.commandLine().getOut().println("deleted " + name);
            spec.commandLine().getOut().flush();
            return ExitCode.OK;
        }

        private static String escaped(String text) {
            return URLEncoder.encode(text, StandardCharsets.UTF_8);
        }
    }
}
