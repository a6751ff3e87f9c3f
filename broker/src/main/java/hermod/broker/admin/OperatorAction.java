package hermod.broker.admin;

import hermod.broker.filter.FilterText;
import hermod.protocol.control.wire.FilteredTopic;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What an operator asks for, as the audit log has it. Immutable.
 *
 * @param details keys and values in turn.
 */
record OperatorAction(
        String action,
        String subject,
        List<String> details,
        @Nullable SubscriptionsOrder order) {
    OperatorAction(String action, String subject, List<String> details) {
        this(action, subject, details, null);
    }

    /** The order of a {@code subscriptions.replace}. */
    SubscriptionsOrder subscriptions() {
        if (order == null) {
            throw new IllegalStateException("no order: action=" + action);
        }
        return order;
    }

    /** @throws IllegalArgumentException with a sentence for the operator if the body makes no sense. */
    static OperatorAction of(String path, Map<String, String> parameters, byte[] body) {
        if (path.endsWith("/subscriptions")) {
            return subscriptions(SubscriptionsOrder.parse(body));
        }
        List<String> details = new ArrayList<>();
        parameters.forEach((key, value) -> {
            if (!value.isEmpty() && !key.equals("kill") && !key.equals("lift") && !key.equals("delete")) {
                details.add(key);
                details.add(value);
            }
        });
        if (path.endsWith("/groups")) {
            return new OperatorAction("groups.delete", parameters.getOrDefault("delete", ""), details);
        }
        if (path.endsWith("/drain")) {
            return new OperatorAction("drain", "broker", details);
        }
        if (parameters.containsKey("kill")) {
            return new OperatorAction("kill", parameters.getOrDefault("kill", ""), details);
        }
        if (parameters.containsKey("lift")) {
            return new OperatorAction("lift", parameters.getOrDefault("lift", ""), details);
        }
        return new OperatorAction(parameters.containsKey("rollout-percent") ? "rollout" : "service", "broker", details);
    }

    private static OperatorAction subscriptions(SubscriptionsOrder order) {
        List<String> topics = new ArrayList<>();
        for (FilteredTopic topic : order.topics()) {
            topics.add(
                    topic.hasFilter()
                            ? topic.getTopic() + " where " + FilterText.of(topic.getFilter())
                            : topic.getTopic());
        }
        return new OperatorAction(
                "subscriptions",
                order.user(),
                List.of(
                        "org",
                        order.org(),
                        "topics",
                        String.join("; ", topics),
                        "count",
                        Integer.toString(topics.size()),
                        "keepOthers",
                        Boolean.toString(order.keepsOthers())),
                order);
    }
}
