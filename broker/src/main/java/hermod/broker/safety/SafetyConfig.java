package hermod.broker.safety;

import hermod.broker.config.Setting;
import hermod.protocol.TopicName;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;

/** What becomes of events that nobody acknowledges. Immutable. */
public record SafetyConfig(
        @Setting(
                unit = "ms",
                min = 100,
                max = 3_600_000,
                text =
                        "How long an event of a channel with acknowledged waits for a device other than its publisher's to acknowledge it, before it escalates. Below what a handler and a network take, every event does.")
        int acknowledgeTimeoutMs,

        @Setting(
                min = 3,
                max = 255,
                text =
                        "Topic on which an escalation is published, in the org of the event, as type safety.escalated; `none` for no such event. Events of this topic never escalate themselves.")
        String escalationTopic,

        @Setting(
                min = 1,
                max = 1_000_000,
                text =
                        "Events of one shard's topics that may wait to be acknowledged; what is beyond escalates at once. As many escalations may be under way in all; those beyond are only logged and counted. About 500 bytes each.")
        int waitingLimitCount,

        @Setting(
                min = 1,
                max = 10_000,
                text =
                        "Escalations that are told of in a second: published, posted, recorded and logged; the others follow. So a flood of safety events that nobody acknowledges does not become another flood.")
        int escalationsPerSecond,

        @Setting(
                min = 8,
                max = 2_048,
                text = "Where each escalation is sent by HTTP POST; http or https, certificates are checked.")
        Optional<String> webhookUrl,

        @Setting(
                text =
                        "File whose bytes, all of them, are the secret that signs the webhook's body; at least 32, readable by its owner only. Must be set with webhook-url.")
        Optional<Path> webhookSecretFile,

        @Setting(unit = "ms", min = 100, max = 60_000, text = "How long one attempt of the webhook may take.")
        int webhookTimeoutMs,

        @Setting(min = 1, max = 20, text = "Attempts of the webhook for one escalation; then it is lost, and counted.")
        int webhookAttemptsLimitCount,

        @Setting(
                unit = "ms",
                min = 10,
                max = 600_000,
                text = "Wait before the webhook's second attempt; doubles with each.")
        int webhookRetryAfterMs,

        @Setting(
                min = 1,
                max = 100_000,
                text = "Escalations that may wait for the webhook; the newest beyond are lost, and counted.")
        int webhookQueueLimitCount) {

    private static final String NONE = "none";

    public SafetyConfig {
        if (!escalationTopic.equals(NONE)) {
            String fault = TopicName.faultOf(escalationTopic);
            if (fault != null) {
                throw new IllegalArgumentException(
                        "escalation-topic is '" + escalationTopic + "'; it must be a topic's name or none: " + fault);
            }
        }
        if (webhookUrl.isPresent()) {
            check(webhookUrl.get());
            if (webhookSecretFile.isEmpty()) {
                throw new IllegalArgumentException("webhook-secret-file must be set where webhook-url is");
            }
        }
    }

    private static void check(String url) {
        try {
            URI uri = new URI(url);
            String scheme = uri.getScheme() == null ? "" : uri.getScheme().toLowerCase(Locale.ROOT);
            if ((scheme.equals("http") || scheme.equals("https")) && uri.getHost() != null) {
                return;
            }
        } catch (URISyntaxException bad) {
            // Told below.
        }
        throw new IllegalArgumentException("webhook-url is '" + url + "'; it must be http://HOST… or https://HOST…");
    }

    public static SafetyConfig defaults() {
        return new SafetyConfig(
                10_000, "safety:escalations", 4_096, 100, Optional.empty(), Optional.empty(), 5_000, 5, 1_000, 1_000);
    }

    /** Whether escalations are published. */
    public boolean hasTopic() {
        return !escalationTopic.equals(NONE);
    }
}
