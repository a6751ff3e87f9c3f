package hermod.bench.scenario;

import hermod.bench.check.Damage;
import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What the user asked for; null where nothing was said and the scenario's own default holds.
 *
 * @param rate events a second.
 * @param size payload bytes.
 * @param clients publishers, or in {@code trace} and {@code fuzz} clients that do both.
 * @param events how many events, or frames in {@code fuzz}.
 * @param speed the trace's time is divided by this.
 * @param gapCapMs or its gaps are cut to this.
 * @param inject fault put into one client's history.
 * @param sockets raw sockets of {@code fuzz}.
 * @param framesPerSecond frames that {@code fuzz} sends; 0 for as many as it can.
 * @param stalled subscribers of {@code slow} that stop reading.
 * @param pairs interleaved pairs of rounds of {@code slow}.
 */
public record ScenarioOptions(
        @Nullable Integer seconds,
        @Nullable Integer rate,
        @Nullable Integer size,
        @Nullable Integer clients,
        @Nullable Integer subscribers,
        @Nullable String channel,
        @Nullable Path file,
        @Nullable Integer events,
        @Nullable Double speed,
        @Nullable Long gapCapMs,
        @Nullable Damage inject,
        long seed,
        @Nullable Integer sockets,
        @Nullable Integer framesPerSecond,
        @Nullable Integer stalled,
        @Nullable Integer pairs,
        @Nullable Path hlog) {
    private static final List<String> OF_SLOW = List.of("--stalled", "--pairs");

    /** @throws BenchFailure naming the first option that is out of its range. */
    public ScenarioOptions {
        check("--seconds", seconds, 1, 86_400);
        check("--rate", rate, 1, 10_000_000);
        check("--size", size, hermod.bench.load.Stamp.BYTES, 8 * 1024 * 1024);
        check("--clients", clients, 1, 50_000);
        check("--subscribers", subscribers, 1, 50_000);
        check("--events", events, 1, 100_000_000);
        check("--sockets", sockets, 1, 1_000);
        check("--frames-per-second", framesPerSecond, 0, 10_000_000);
        check("--stalled", stalled, 1, 1_000);
        check("--pairs", pairs, 1, 1_000);
        if (speed != null && !(speed > 0 && speed <= 1e9)) {
            throw new BenchFailure(Kind.USAGE, "--speed must be above 0 and at most 1000000000, got " + speed);
        }
        if (gapCapMs != null && (gapCapMs < 0 || gapCapMs > 86_400_000)) {
            throw new BenchFailure(Kind.USAGE, "--gap-cap must be from 0 to 86400000 ms, got " + gapCapMs);
        }
        if (speed != null && gapCapMs != null) {
            throw new BenchFailure(Kind.USAGE, "--speed and --gap-cap exclude each other; give one");
        }
        String fault = channel == null ? null : hermod.protocol.TopicName.faultOf(channel + ":x");
        if (fault != null) {
            throw new BenchFailure(Kind.USAGE, "--channel: " + fault);
        }
    }

    /** A value or the scenario's default for it. */
    static int or(@Nullable Integer value, int otherwise) {
        return value == null ? otherwise : value;
    }

    String channelOr(String otherwise) {
        return channel == null ? otherwise : channel;
    }

    /** @throws BenchFailure if options were given that the scenario has no use for. */
    void refuse(String scenario, List<String> unused) {
        List<String> all = new ArrayList<>(unused);
        if (!scenario.equals("slow")) {
            all.addAll(OF_SLOW);
        }
        for (String option : all) {
            if (isGiven(option)) {
                throw new BenchFailure(Kind.USAGE, scenario + " has no use for " + option);
            }
        }
    }

    private boolean isGiven(String option) {
        return switch (option) {
            case "--rate" -> rate != null;
            case "--size" -> size != null;
            case "--clients" -> clients != null;
            case "--subscribers" -> subscribers != null;
            case "--seconds" -> seconds != null;
            case "--file" -> file != null;
            case "--events" -> events != null;
            case "--speed" -> speed != null;
            case "--gap-cap" -> gapCapMs != null;
            case "--inject" -> inject != null;
            case "--sockets" -> sockets != null;
            case "--frames-per-second" -> framesPerSecond != null;
            case "--stalled" -> stalled != null;
            case "--pairs" -> pairs != null;
            default -> throw new IllegalArgumentException(option);
        };
    }

    private static void check(String option, @Nullable Integer value, int least, int most) {
        if (value != null && (value < least || value > most)) {
            throw new BenchFailure(Kind.USAGE, option + " must be from " + least + " to " + most + ", got " + value);
        }
    }
}
