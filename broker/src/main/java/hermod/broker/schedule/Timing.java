package hermod.broker.schedule;

import java.util.concurrent.TimeUnit;

/** When a scheduled event is due: the first time of a new one, and of a stored one the time it is sent for. Immutable, any thread. */
final class Timing {
    private static final long AHEAD_MAX_US = TimeUnit.DAYS.toMicros(30);

    /** Occurrences looked at to find the last one that was missed. */
    private static final int MISSED_COUNT_MAX = 10_000;

    /** Occurrences of a new rule whose distance is looked at. */
    private static final int CHECKED_COUNT = 100;

    private static final int MINUTE_MS = 60_000;

    private final ScheduleConfig config;

    Timing(ScheduleConfig config) {
        this.config = config;
    }

    /** The event with the time it is due first. */
    ScheduledEvent timed(ScheduledEvent asked, long nowUs) throws BadRuleException {
        if (asked.isRecurring()) {
            return timedByRule(asked, nowUs);
        }
        if (asked.dueUs() <= nowUs) {
            throw new BadRuleException("deliver_at_us is not in the future: it is " + (nowUs - asked.dueUs()) / 1_000
                    + " ms behind the broker's clock");
        }
        if (asked.dueUs() - nowUs > AHEAD_MAX_US) {
            throw new BadRuleException("deliver_at_us is more than 30 days ahead");
        }
        return created(asked, nowUs);
    }

    private ScheduledEvent timedByRule(ScheduledEvent asked, long nowUs) throws BadRuleException {
        Rule rule = Rule.parse(asked.rule(), asked.zone());
        long firstUs = rule.nextUs(nowUs);
        if (firstUs == Rule.NEVER || (asked.untilUs() != 0 && firstUs > asked.untilUs())) {
            throw new BadRuleException("the rule is never due before its end");
        }
        long lastUs = firstUs;
        // A rule can't be due more often than every minute.
        int checked = config.intervalMinMs() <= MINUTE_MS ? 0 : CHECKED_COUNT;
        for (int i = 0; i < checked; i++) {
            long nextUs = rule.nextUs(lastUs);
            if (nextUs == Rule.NEVER) {
                break;
            }
            if (nextUs - lastUs < config.intervalMinMs() * 1_000L) {
                throw new BadRuleException("the rule is due more often than every " + config.intervalMinMs()
                        + " ms (schedule.interval-min-ms)");
            }
            lastUs = nextUs;
        }
        return created(asked.at(firstUs), nowUs);
    }

    private static ScheduledEvent created(ScheduledEvent asked, long nowUs) {
        return new ScheduledEvent(
                asked.topic(),
                asked.author(),
                nowUs,
                asked.dueUs(),
                asked.rule(),
                asked.zone(),
                asked.untilUs(),
                asked.flags(),
                asked.entry());
    }

    /** For which time the event is sent now: its own, or of a recurring one the last that was missed; {@link Rule#NEVER} where it is too late. */
    long occurrence(ScheduledEvent event, long nowUs) {
        long earliestUs = nowUs - config.lateLimitS() * 1_000_000L;
        long dueUs = event.dueUs();
        if (event.isRecurring()) {
            Rule rule = ruleOf(event);
            if (dueUs < earliestUs) {
                dueUs = rule.nextUs(earliestUs - 1);
            }
            for (int i = 0; i < MISSED_COUNT_MAX; i++) {
                long nextUs = rule.nextUs(dueUs);
                if (nextUs > nowUs || isOver(event, nextUs)) {
                    break;
                }
                dueUs = nextUs;
            }
            return dueUs > nowUs || isOver(event, dueUs) ? Rule.NEVER : dueUs;
        }
        return dueUs < earliestUs ? Rule.NEVER : dueUs;
    }

    static boolean isOver(ScheduledEvent event, long dueUs) {
        return dueUs == Rule.NEVER || (event.untilUs() != 0 && dueUs > event.untilUs());
    }

    static Rule ruleOf(ScheduledEvent event) {
        try {
            return Rule.parse(event.rule(), event.zone());
        } catch (BadRuleException changed) {
            throw new IllegalStateException("a rule that was found good: " + changed.sentence(), changed);
        }
    }
}
