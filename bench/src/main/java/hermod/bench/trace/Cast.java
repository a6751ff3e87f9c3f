package hermod.bench.trace;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Who plays whom: maps the users of a trace onto clients and its rooms onto topic indexes.
 *
 * <p>The first users to appear get a client each, the others one by the hash of their name, so every event has a client. A client subscribes to each
 * room that one of its users posts in. Immutable, any thread.
 */
public final class Cast {
    private final Map<String, Integer> clientOfUser = new HashMap<>();
    private final Map<String, Integer> topicOfRoom = new HashMap<>();
    private final List<String> rooms = new ArrayList<>();
    private final List<BitSet> topicsOfClient = new ArrayList<>();

    public Cast(List<TraceEvent> events, int clientCount) {
        for (int i = 0; i < clientCount; i++) {
            topicsOfClient.add(new BitSet());
        }
        for (TraceEvent event : events) {
            Integer client = clientOfUser.get(event.user());
            if (client == null) {
                int seen = clientOfUser.size();
                client = seen < clientCount ? seen : Math.floorMod(event.user().hashCode(), clientCount);
                clientOfUser.put(event.user(), client);
            }
            Integer topic = topicOfRoom.get(event.room());
            if (topic == null) {
                topic = rooms.size();
                topicOfRoom.put(event.room(), topic);
                rooms.add(event.room());
            }
            topicsOfClient.get(client).set(topic);
        }
    }

    /** The client that publishes what this user posted. */
    public int clientOf(TraceEvent event) {
        return clientOfUser.getOrDefault(event.user(), 0);
    }

    /** Index of the room's topic. */
    public int topicOf(TraceEvent event) {
        return topicOfRoom.getOrDefault(event.room(), 0);
    }

    /** Rooms by topic index, in the order they first appear. */
    public List<String> rooms() {
        return List.copyOf(rooms);
    }

    public int userCount() {
        return clientOfUser.size();
    }

    /** Topic indexes that a client subscribes to. */
    public BitSet topicsOf(int client) {
        return (BitSet) topicsOfClient.get(client).clone();
    }
}
