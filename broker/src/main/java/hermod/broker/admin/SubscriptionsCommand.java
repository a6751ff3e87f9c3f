package hermod.broker.admin;

import java.io.ByteArrayOutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

@Command(
        name = "subscriptions",
        mixinStandardHelpOptions = true,
        description = {
            "Replace what all connections of a user are subscribed to.",
            "The switch is one step on each connection, without a reconnect, and their clients are told. A topic the user's token gives no right to is refused and stays as it is."
        },
        footer = {
            "%nA filter is written like%n",
            "  propertyId = 17 and price < 250000",
            "  city in (Berlin, 'Bad Homburg') or not sold",
            "  ref starts A-%n",
            "Example:%n",
            "  hermod subscriptions --org acme --user ann chat:room_7 \"properties:all where propertyId = 17\""
        })
final class SubscriptionsCommand implements Callable<Integer> {
    private static final String WHERE = " where ";

    @Mixin
    private final AdminOption admin = new AdminOption();

    @Option(names = "--org", paramLabel = "ORG", required = true, description = "The user's tenant.")
    private String org = "";

    @Option(names = "--user", paramLabel = "ID", required = true, description = "The user.")
    private String user = "";

    @Option(names = "--keep-others", description = "Leave subscriptions that are not named as they are.")
    private boolean keepsOthers;

    @Option(names = "--none", description = "Subscribe to nothing.")
    private boolean none;

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    @Parameters(paramLabel = "TOPIC[ where FILTER]", arity = "0..*", description = "A topic, perhaps with a filter.")
    private List<String> topics = new ArrayList<>();

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    @Override
    public Integer call() {
        if (topics.isEmpty() != none) {
            throw new ParameterException(
                    spec.commandLine(), "Name the topics to subscribe to, or --none for nothing, not both.");
        }
        byte[] answer = admin.client().post("/api/v1/subscriptions", body());
        PrintWriter out = spec.commandLine().getOut();
        out.print(json ? new String(answer, StandardCharsets.UTF_8) + "\n" : told(JsonTree.parse(answer)));
        out.flush();
        return ExitCode.OK;
    }

    private byte[] body() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator out = new JsonFactory().createGenerator(ObjectWriteContext.empty(), bytes)) {
            out.writeStartObject();
            out.writeStringProperty("org", org);
            out.writeStringProperty("user", user);
            out.writeBooleanProperty("keepOthers", keepsOthers);
            out.writeName("topics").writeStartArray();
            for (String topic : topics) {
                int where = topic.indexOf(WHERE);
                out.writeStartObject();
                out.writeStringProperty("topic", where < 0 ? topic : topic.substring(0, where));
                if (where >= 0) {
                    out.writeStringProperty("filter", topic.substring(where + WHERE.length()));
                }
                out.writeEndObject();
            }
            out.writeEndArray();
            out.writeEndObject();
        }
        return bytes.toByteArray();
    }

    private static String told(JsonTree answer) {
        StringBuilder text = new StringBuilder();
        List<JsonTree> connections = answer.children("connections");
        for (JsonTree each : connections) {
            text.append(each.text("id"))
                    .append("  ")
                    .append(StatsTable.shown(each.text("device")))
                    .append(
                            each.isTrue("replaced")
                                    ? "  subscribed " + each.number("granted") + ", removed " + each.number("removed")
                                    : "  not replaced: the client does not know how, is going, or does not take its answers")
                    .append('\n');
            for (JsonTree refused : each.children("refused")) {
                text.append("    ")
                        .append(StatsTable.shown(refused.text("topic")))
                        .append(": ")
                        .append(StatsTable.shown(refused.text("message")))
                        .append('\n');
            }
        }
        return text.isEmpty() ? "The user has no connection.\n" : text.toString();
    }
}
