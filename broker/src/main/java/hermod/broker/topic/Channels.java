package hermod.broker.topic;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The channels of this broker, by name. Immutable, any thread. */
public final class Channels {
    private final List<Channel> all = new ArrayList<>();
    private final Map<String, Channel> byName = new TreeMap<>();

    public Channels(Map<String, ChannelPolicy> policies) {
        for (Map.Entry<String, ChannelPolicy> policy : new TreeMap<>(policies).entrySet()) {
            Channel channel = new Channel(all.size(), policy.getKey(), policy.getValue());
            all.add(channel);
            byName.put(channel.name(), channel);
        }
    }

    /** Ordered by index. */
    public List<Channel> all() {
        return List.copyOf(all);
    }

    /** @return null for a name that no policy has. */
    public @Nullable Channel of(String name) {
        return byName.get(name);
    }

    /** The names, for a sentence that says what would have been right. */
    public String names() {
        return String.join(", ", byName.keySet());
    }
}
