package hermod.bench.wire;

import hermod.protocol.Priority;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The topics of a run, at most one a lane. Immutable. */
public final class Topics {
    private static final String[] CHANNELS = {"reports", "tasks", "wallet", "safety"};

    private final @Nullable String[] byLane = new String[Priority.COUNT];

    /** Topics of the built-in channels whose events travel in these lanes, apart from those of other runs. */
    public Topics(int runId, Priority... lanes) {
        for (Priority lane : lanes) {
            byLane[lane.code()] = CHANNELS[lane.code()] + ":bench_" + Integer.toHexString(runId);
        }
    }

    /** One topic, in a lane. */
    public static Topics of(Priority lane, String name) {
        Topics one = new Topics(0);
        one.byLane[lane.code()] = name;
        return one;
    }

    public List<String> names() {
        List<String> names = new ArrayList<>();
        for (String name : byLane) {
            if (name != null) {
                names.add(name);
            }
        }
        return names;
    }

    /** The codes of the lanes that have a topic. */
    public List<Integer> lanes() {
        List<Integer> lanes = new ArrayList<>();
        for (int lane = 0; lane < byLane.length; lane++) {
            if (byLane[lane] != null) {
                lanes.add(lane);
            }
        }
        return lanes;
    }

    /** @throws IllegalArgumentException for a lane without a topic. */
    public String of(int lane) {
        String name = byLane[lane];
        if (name == null) {
            throw new IllegalArgumentException("no topic in lane " + lane);
        }
        return name;
    }

    /** @throws IllegalArgumentException for a name that is none of these. */
    public int laneOf(String topic) {
        for (int lane = 0; lane < byLane.length; lane++) {
            if (topic.equals(byLane[lane])) {
                return lane;
            }
        }
        throw new IllegalArgumentException("no topic of this run: " + topic);
    }
}
