package hermod.broker.session;

import hermod.protocol.control.wire.Filter;
import hermod.protocol.control.wire.FilteredTopic;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One topic that a client, or an operator for it, wants to subscribe to. Immutable.
 *
 * @param topic as asked, not checked.
 * @param filter not checked; null for all events.
 */
record Wish(String topic, @Nullable Filter filter) {
    static List<Wish> of(List<String> topics, List<FilteredTopic> filtered) {
        List<Wish> wishes = new ArrayList<>(topics.size() + filtered.size());
        for (String topic : topics) {
            wishes.add(new Wish(topic, null));
        }
        for (FilteredTopic each : filtered) {
            wishes.add(new Wish(each.getTopic(), each.hasFilter() ? each.getFilter() : null));
        }
        return wishes;
    }
}
