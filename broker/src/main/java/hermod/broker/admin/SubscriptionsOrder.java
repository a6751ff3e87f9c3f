package hermod.broker.admin;

import hermod.broker.filter.BadFilterException;
import hermod.broker.filter.FilterText;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.TopicName;
import hermod.protocol.control.wire.FilteredTopic;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What all connections of one user are to subscribe to. Immutable.
 *
 * @param topics each named once; checked but for the filters' size, which each connection answers for.
 * @param keepsOthers whether what is not named stays as it is.
 */
public record SubscriptionsOrder(String org, String user, List<FilteredTopic> topics, boolean keepsOthers) {
    /**
     * Reads {@code {"org", "user", "topics": [{"topic", "filter"}], "keepOthers"}}.
     *
     * @throws IllegalArgumentException with a sentence for the operator.
     */
    static SubscriptionsOrder parse(byte[] json) {
        JsonTree body;
        try {
            body = JsonTree.parse(json);
        } catch (CliException broken) {
            throw new IllegalArgumentException("the body is no JSON object", broken);
        }
        if (body.text("org").isEmpty() || body.text("user").isEmpty()) {
            throw new IllegalArgumentException("org and user must be named");
        }
        List<JsonTree> rows = body.children("topics");
        if (rows.size() > ProtocolLimits.TOPICS_PER_REQUEST) {
            throw new IllegalArgumentException("at most " + ProtocolLimits.TOPICS_PER_REQUEST + " topics are taken");
        }
        List<FilteredTopic> topics = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (JsonTree row : rows) {
            String topic = row.text("topic");
            String fault = TopicName.faultOf(topic);
            if (fault != null) {
                throw new IllegalArgumentException("topic '" + TopicName.shown(topic) + "': " + fault);
            }
            if (!names.add(topic)) {
                throw new IllegalArgumentException("topic '" + topic + "' is named twice");
            }
            topics.add(topic(topic, row.text("filter")));
        }
        return new SubscriptionsOrder(body.text("org"), body.text("user"), topics, body.isTrue("keepOthers"));
    }

    private static FilteredTopic topic(String name, String filter) {
        FilteredTopic.Builder topic = FilteredTopic.newBuilder().setTopic(name);
        if (filter.isBlank()) {
            return topic.build();
        }
        try {
            return topic.setFilter(FilterText.parse(filter)).build();
        } catch (BadFilterException bad) {
            throw new IllegalArgumentException("topic '" + name + "': " + bad.sentence(), bad);
        }
    }
}
