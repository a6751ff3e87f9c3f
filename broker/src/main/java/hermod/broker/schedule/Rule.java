package hermod.broker.schedule;

import hermod.protocol.TopicName;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.zone.ZoneOffsetTransition;
import java.time.zone.ZoneRules;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * When something recurs: section 16.2 of the protocol. Immutable, any thread.
 *
 * <p>All three forms end up as the five sets of cron, one bit for each value. Local times that the clocks skip are due at the moment the clocks were set forward; those they show twice, the first time.
 */
final class Rule {
    static final int TEXT_BYTES_MAX = 256;

    /** {@link #nextUs} where nothing follows. */
    static final long NEVER = Long.MAX_VALUE;

    /** Looked at for the next day: 29 February may be eight years away. */
    private static final int YEARS_AHEAD_MAX = 9;

    private static final long US_PER_SECOND = 1_000_000;

    /** What Java's clock arithmetic takes without overflowing: the year 9999. */
    private static final long LAST_US = 253_370_764_800L * US_PER_SECOND;

    private static final Pattern DAILY = Pattern.compile("DAILY (\\d\\d):(\\d\\d)");
    private static final Pattern WEEKLY = Pattern.compile("WEEKLY ([A-Z,]+) (\\d\\d):(\\d\\d)");
    private static final Pattern PART =
            Pattern.compile("(?:(\\*)|([A-Z0-9]{1,3})(?:-([A-Z0-9]{1,3}))?)(?:/(\\d{1,2}))?");
    private static final List<String> DAYS = List.of("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT");
    private static final List<String> MONTHS =
            List.of("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC");
    private static final String FORMS =
            "a rule is 'daily HH:MM', 'weekly MON,THU HH:MM' or 'cron MINUTE HOUR DAY MONTH WEEKDAY'";

    private final long minutes;
    private final long hours;
    private final long days;
    private final long months;
    private final long weekdays;

    /** Day of the month and of the week are both named: one of them is enough. */
    private final boolean isEitherDay;

    private final ZoneId zone;
    private final ZoneRules clocks;

    private Rule(long minutes, long hours, long days, long months, long weekdays, boolean isEitherDay, ZoneId zone) {
        this.minutes = minutes;
        this.hours = hours;
        this.days = days;
        this.months = months;
        this.weekdays = weekdays;
        this.isEitherDay = isEitherDay;
        this.zone = zone;
        this.clocks = zone.getRules();
    }

    /**
     * Reads a rule.
     *
     * @param zone an IANA name; empty for UTC.
     * @throws BadRuleException with a sentence for the user.
     */
    static Rule parse(String text, String zone) throws BadRuleException {
        if (text.length() > TEXT_BYTES_MAX) {
            throw new BadRuleException("a rule has at most " + TEXT_BYTES_MAX + " bytes");
        }
        ZoneId where = zone(zone);
        String upper = text.toUpperCase(Locale.ROOT);
        Matcher daily = DAILY.matcher(upper);
        if (daily.matches()) {
            return new Rule(
                    minute(daily.group(2)), hour(daily.group(1)), all(1, 31), all(1, 12), all(0, 6), false, where);
        }
        Matcher weekly = WEEKLY.matcher(upper);
        if (weekly.matches()) {
            return new Rule(
                    minute(weekly.group(3)),
                    hour(weekly.group(2)),
                    all(1, 31),
                    all(1, 12),
                    weekdays(weekly.group(1)),
                    false,
                    where);
        }
        return cron(text, upper, where);
    }

    private static Rule cron(String text, String upper, ZoneId zone) throws BadRuleException {
        String[] fields = (upper.startsWith("CRON ") ? upper.substring("CRON ".length()) : upper).split(" ", -1);
        if (fields.length != 5) {
            throw new BadRuleException(FORMS + "; got '" + TopicName.shown(text) + "'");
        }
        long weekdays = set("weekday", fields[4], 0, 7, DAYS, 0);
        if ((weekdays & 1L << 7) != 0) {
            weekdays = weekdays & ~(1L << 7) | 1;
        }
        Rule rule = new Rule(
                set("minute", fields[0], 0, 59, List.of(), 0),
                set("hour", fields[1], 0, 23, List.of(), 0),
                set("day", fields[2], 1, 31, List.of(), 0),
                set("month", fields[3], 1, 12, MONTHS, 1),
                weekdays,
                !fields[2].equals("*") && !fields[4].equals("*"),
                zone);
        if (rule.nextUs(0) == NEVER) {
            throw new BadRuleException("no day matches '" + TopicName.shown(text) + "'");
        }
        return rule;
    }

    private static ZoneId zone(String name) throws BadRuleException {
        if (name.isEmpty()) {
            return ZoneOffset.UTC;
        }
        try {
            if (ZoneId.getAvailableZoneIds().contains(name)) {
                return ZoneId.of(name);
            }
        } catch (DateTimeException unknown) {
            // Told below.
        }
        throw new BadRuleException("unknown time zone '" + TopicName.shown(name)
                + "'; it must be a name of the IANA database such as Europe/Berlin, or empty for UTC");
    }

    private static long minute(String digits) throws BadRuleException {
        return set("minute", digits, 0, 59, List.of(), 0);
    }

    private static long hour(String digits) throws BadRuleException {
        return set("hour", digits, 0, 23, List.of(), 0);
    }

    private static long weekdays(String names) throws BadRuleException {
        long found = 0;
        for (String name : names.split(",", -1)) {
            int day = DAYS.indexOf(name);
            if (day < 0) {
                throw new BadRuleException("'" + TopicName.shown(name) + "' is no day of the week; the days are "
                        + String.join(",", DAYS));
            }
            found |= 1L << day;
        }
        return found;
    }

    private static long all(int first, int last) {
        return (1L << last + 1) - (1L << first);
    }

    private static long set(String what, String text, int first, int last, List<String> names, int firstName)
            throws BadRuleException {
        long found = 0;
        for (String part : text.split(",", -1)) {
            Matcher match = PART.matcher(part);
            if (!match.matches() || (match.group(4) != null && match.group(1) == null && match.group(3) == null)) {
                throw new BadRuleException("'" + TopicName.shown(part) + "' is no " + what
                        + "; it is *, a number or a range A-B, and behind * or a range /N");
            }
            int from = match.group(1) != null ? first : value(what, match.group(2), first, last, names, firstName);
            int to = match.group(1) != null
                    ? last
                    : match.group(3) == null ? from : value(what, match.group(3), first, last, names, firstName);
            int step = match.group(4) == null ? 1 : Integer.parseInt(match.group(4));
            if (to < from || step == 0) {
                throw new BadRuleException(
                        "'" + TopicName.shown(part) + "' is no " + what + "; a range rises, and a step is at least 1");
            }
            for (int value = from; value <= to; value += step) {
                found |= 1L << value;
            }
        }
        return found;
    }

    private static int value(String what, String text, int first, int last, List<String> names, int firstName)
            throws BadRuleException {
        int named = names.indexOf(text);
        if (named >= 0) {
            return named + firstName;
        }
        try {
            int value = Integer.parseInt(text);
            if (value >= first && value <= last) {
                return value;
            }
        } catch (NumberFormatException notANumber) {
            // Told below.
        }
        throw new BadRuleException("'" + TopicName.shown(text) + "' is no " + what + "; it must be " + first + " to "
                + last + (names.isEmpty() ? "" : " or one of " + String.join(",", names)));
    }

    /**
     * The first time after another that is due.
     *
     * @param afterUs in microseconds since 1970.
     * @return above {@code afterUs}, or {@link #NEVER}.
     */
    long nextUs(long afterUs) {
        if (afterUs < 0 || afterUs >= LAST_US) {
            return NEVER;
        }
        Instant after = Instant.ofEpochSecond(afterUs / US_PER_SECOND);
        LocalDateTime local = LocalDateTime.ofInstant(after, zone);
        LocalDate day = local.toLocalDate();
        // Of a repeated hour the times before the clocks' present one were due the first time; none is missed.
        int minuteOfDay = local.getHour() * 60 + local.getMinute();
        LocalDate last = day.plusYears(YEARS_AHEAD_MAX);
        while (day.isBefore(last)) {
            if ((months & 1L << day.getMonthValue()) == 0) {
                day = day.plusMonths(1).withDayOfMonth(1);
            } else {
                for (int minute = isDay(day) ? nextMinute(minuteOfDay) : -1;
                        minute >= 0;
                        minute = nextMinute(minute + 1)) {
                    long dueUs = instantUs(day.atTime(minute / 60, minute % 60));
                    if (dueUs > afterUs) {
                        return dueUs;
                    }
                }
                day = day.plusDays(1);
            }
            minuteOfDay = 0;
        }
        return NEVER;
    }

    /** @return the first matching minute of the day at or after one, or −1. */
    private int nextMinute(int from) {
        for (int hour = from / 60; hour < 24; hour++) {
            if ((hours & 1L << hour) != 0) {
                int after = hour * 60 >= from ? 0 : from - hour * 60;
                long left = minutes & -1L << after;
                if (after < 60 && left != 0) {
                    return hour * 60 + Long.numberOfTrailingZeros(left);
                }
            }
        }
        return -1;
    }

    private boolean isDay(LocalDate day) {
        boolean isDayOfMonth = (days & 1L << day.getDayOfMonth()) != 0;
        boolean isWeekday = (weekdays & 1L << day.getDayOfWeek().getValue() % 7) != 0;
        return isEitherDay ? isDayOfMonth || isWeekday : isDayOfMonth && isWeekday;
    }

    private long instantUs(LocalDateTime local) {
        List<ZoneOffset> offsets = clocks.getValidOffsets(local);
        if (!offsets.isEmpty()) {
            return local.toEpochSecond(offsets.get(0)) * US_PER_SECOND;
        }
        ZoneOffsetTransition skipped = clocks.getTransition(local);
        return skipped.toEpochSecond() * US_PER_SECOND;
    }
}
