package hermod.bench.scenario;

import hermod.bench.check.Checker;
import hermod.bench.check.Verdict;
import hermod.bench.load.Fleet;
import hermod.bench.load.OpenLoop;
import hermod.bench.report.RunResult;
import hermod.bench.trace.Cast;
import hermod.bench.trace.RoomTopics;
import hermod.bench.trace.Schedule;
import hermod.bench.trace.SyntheticTrace;
import hermod.bench.trace.TraceEvent;
import hermod.bench.trace.TraceReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Replays chat traffic, real or synthetic, through clients that play its users, and proves from their histories that nothing went wrong. */
public final class TraceReplay implements Scenario {
    private static final int DEFAULT_CLIENTS = 20;
    private static final int DEFAULT_EVENTS = 20_000;
    private static final int QUIET_SECONDS = 10;

    @Override
    public String name() {
        return "trace";
    }

    @Override
    public String description() {
        return "a real chat trace (--file) or a synthetic one, replayed by clients that play its users";
    }

    @Override
    public RunResult run(RunContext context) throws InterruptedException {
        ScenarioOptions options = context.options();
        options.refuse(
                name(), List.of("--seconds", "--rate", "--size", "--subscribers", "--sockets", "--frames-per-second"));
        List<TraceEvent> events = events(options);
        int clients = ScenarioOptions.or(options.clients(), DEFAULT_CLIENTS);
        Cast cast = new Cast(events, clients);
        Schedule schedule = Schedule.of(events, options.speed(), options.gapCapMs());
        List<String> topics = cast.rooms().stream()
                .map(room -> RoomTopics.topicOf(options.channelOr("chat"), room))
                .toList();
        double plannedSeconds = schedule.atNs()[events.size() - 1] / 1e9;
        context.say(String.format(
                java.util.Locale.ROOT,
                "%,d events of %,d users in %,d rooms, %s: %.0f s",
                events.size(),
                cast.userCount(),
                topics.size(),
                schedule.description(),
                plannedSeconds));
        try (Fleet fleet = context.connect(clients)) {
            Chat chat = new Chat(context, fleet, topics);
            chat.subscribe(cast::topicsOf);
            double seconds = replay(context, chat, events, cast, schedule);
            context.drain(chat::isComplete, QUIET_SECONDS);
            return result(context, chat, events, cast, schedule, seconds);
        }
    }

    private static List<TraceEvent> events(ScenarioOptions options) {
        Path file = options.file();
        return file == null
                ? SyntheticTrace.generate(ScenarioOptions.or(options.events(), DEFAULT_EVENTS), options.seed())
                : TraceReader.read(file, ScenarioOptions.or(options.events(), Integer.MAX_VALUE));
    }

    private static double replay(RunContext context, Chat chat, List<TraceEvent> events, Cast cast, Schedule schedule) {
        OpenLoop loop = new OpenLoop();
        context.measureFrom(loop.await(0));
        context.progress().start();
        for (int i = 0; i < events.size() && !Thread.currentThread().isInterrupted(); i++) {
            TraceEvent event = events.get(i);
            long intendedNs = loop.await(schedule.atNs()[i]);
            chat.publish(
                    cast.clientOf(event), cast.topicOf(event), event.textBytes(), intendedNs, loop.wallUs(intendedNs));
        }
        return loop.secondsSinceStart();
    }

    private RunResult result(
            RunContext context, Chat chat, List<TraceEvent> events, Cast cast, Schedule schedule, double seconds) {
        List<String> notes = new ArrayList<>();
        notes.add(schedule.description());
        ScenarioOptions options = context.options();
        if (options.inject() != null) {
            notes.add(options.inject().applyTo(chat.histories(), options.seed()));
        }
        Verdict verdict = Checker.check(chat.histories(), chat.topics());
        Map<String, Object> extras = new LinkedHashMap<>();
        extras.put(
                "trace",
                options.file() == null
                        ? "synthetic, seed " + options.seed()
                        : String.valueOf(options.file().getFileName()));
        extras.put("clients", chat.histories().size());
        extras.put("users", cast.userCount());
        extras.put("rooms", chat.topics().size());
        RunResult result = context.result(name(), seconds, verdict, extras, notes);
        if (verdict.refused() == 0 && verdict.published() == events.size()) {
            return result;
        }
        List<String> faults = new ArrayList<>(result.faults());
        faults.add("published " + verdict.published() + " of " + events.size() + " events, refused " + verdict.refused()
                + chat.firstRefusal());
        return new RunResult(
                result.workload(),
                result.seconds(),
                verdict,
                result.perSecond(),
                result.latencyUs(),
                extras,
                notes,
                faults);
    }
}
