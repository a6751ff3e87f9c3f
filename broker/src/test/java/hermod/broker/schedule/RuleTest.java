package hermod.broker.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("EV-10")
class RuleTest {
    /** Times are local ones of the zone, with its offset. */
    private static List<String> next(String rule, String zone, String after, int count) throws BadRuleException {
        Rule parsed = Rule.parse(rule, zone);
        ZoneId where = ZoneId.of(zone.isEmpty() ? "UTC" : zone);
        long us = ZonedDateTime.parse(after).toEpochSecond() * 1_000_000L;
        List<String> found = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            us = parsed.nextUs(us);
            found.add(ZonedDateTime.ofInstant(java.time.Instant.ofEpochSecond(us / 1_000_000L), where)
                    .toOffsetDateTime()
                    .toString());
        }
        return found;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "daily 08:30                | 2026-11-21T08:29:59Z | 2026-11-21T08:30Z",
                "daily 08:30                | 2026-11-21T08:30:00Z | 2026-11-22T08:30Z",
                "DAILY 00:00                | 2026-12-31T23:59:00Z | 2027-01-01T00:00Z",
                "weekly MON,THU 08:30       | 2026-11-21T12:00:00Z | 2026-11-23T08:30Z",
                "weekly mon,thu 08:30       | 2026-11-23T08:30:00Z | 2026-11-26T08:30Z",
                "weekly SUN 23:59           | 2026-11-21T12:00:00Z | 2026-11-22T23:59Z",
                "cron */15 * * * *          | 2026-11-21T12:07:31Z | 2026-11-21T12:15Z",
                "*/15 * * * *               | 2026-11-21T12:45:00Z | 2026-11-21T13:00Z",
                "5,10-12,50-59/4 3 * * *    | 2026-11-21T03:12:00Z | 2026-11-21T03:50Z",
                "0 0 31 * *                 | 2026-11-21T00:00:00Z | 2026-12-31T00:00Z",
                "0 0 29 FEB *               | 2026-11-21T00:00:00Z | 2028-02-29T00:00Z",
                "0 0 29 2 *                 | 2096-03-01T00:00:00Z | 2104-02-29T00:00Z",
                "30 6 * JAN-MAR,DEC MON-FRI | 2026-11-21T00:00:00Z | 2026-12-01T06:30Z",
                "0 9 * * 7                  | 2026-11-21T00:00:00Z | 2026-11-22T09:00Z",
                "0 9 * * 0                  | 2026-11-21T00:00:00Z | 2026-11-22T09:00Z",
                "0 9 13 * FRI               | 2026-11-21T00:00:00Z | 2026-11-27T09:00Z",
                "0 9 13 * FRI               | 2026-12-11T09:00:00Z | 2026-12-13T09:00Z",
            })
    void theNextTimeIsTheFirstThatMatches(String rule, String after, String expected) throws Exception {
        assertThat(next(rule.strip(), "", after.strip(), 1)).containsExactly(expected.strip());
    }

    @Test
    void aTimeThatTheClocksSkipIsDueWhenTheyHaveBeenSetForward() throws Exception {
        assertThat(next("daily 02:30", "Europe/Berlin", "2027-03-27T12:00:00Z", 3))
                .containsExactly("2027-03-28T03:00+02:00", "2027-03-29T02:30+02:00", "2027-03-30T02:30+02:00");
    }

    @Test
    void allTimesOfASkippedHourTogetherAreDueOnce() throws Exception {
        assertThat(next("*/20 * * * *", "Europe/Berlin", "2027-03-28T00:30:00Z", 3))
                .containsExactly("2027-03-28T01:40+01:00", "2027-03-28T03:00+02:00", "2027-03-28T03:20+02:00");
    }

    @Test
    void aTimeThatTheClocksShowTwiceIsDueTheFirstTimeOnly() throws Exception {
        assertThat(next("daily 02:30", "Europe/Berlin", "2026-10-24T12:00:00Z", 2))
                .containsExactly("2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00");
        assertThat(next("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:59:00Z", 4))
                .containsExactly(
                        "2026-10-25T02:00+02:00",
                        "2026-10-25T02:30+02:00",
                        "2026-10-25T03:00+01:00",
                        "2026-10-25T03:30+01:00");
    }

    @Test
    void askedInTheRepeatedHourTheNextTimeIsBehindIt() throws Exception {
        assertThat(next("*/30 * * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1))
                .containsExactly("2026-10-25T03:00+01:00");
    }

    @Test
    void aDayThatBeginsAtOneIsDueAtOne() throws Exception {
        assertThat(next("daily 00:15", "Asia/Beirut", "2027-03-27T12:00:00Z", 1))
                .containsExactly("2027-03-28T01:00+03:00");
    }

    @Test
    void theTimesOfARuleRiseWhateverTheClocksDo() throws Exception {
        for (String zone : List.of("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca")) {
            Rule rule = Rule.parse("*/7 * * * *", zone);
            long us = LocalDateTime.of(2026, 1, 1, 0, 0).toEpochSecond(java.time.ZoneOffset.UTC) * 1_000_000L;
            for (int i = 0; i < 80_000; i++) {
                long nextUs = rule.nextUs(us);
                assertThat(nextUs).isGreaterThanOrEqualTo(us + 60_000_000L);
                us = nextUs;
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "", "daily", "daily 8:30", "daily 24:00", "daily 08:60", "weekly 08:30", "weekly MO 08:30",
                "weekly MON, 08:30", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *",
                "* * * 13 *", "* * * * 8", "*/0 * * * *", "5/2 * * * *", "9-3 * * * *", "1- * * * *", "-1 * * * *",
                "1,,2 * * * *", "x * * * *", "0 0 30 FEB *", "0 0 31 4,6,9,11 *", "*  * * * *", "@daily",
            })
    void whatIsNoRuleIsRefusedWithASentence(String text) {
        BadRuleException refused = catchThrowableOfType(BadRuleException.class, () -> Rule.parse(text, ""));
        assertThat(refused).isNotNull();
        assertThat(refused.sentence()).isNotBlank();
    }

    @ParameterizedTest
    @ValueSource(strings = {"Berlin", "+02:00", "europe/berlin", "../etc/passwd", " "})
    void whatIsNoZoneOfTheDatabaseIsRefused(String zone) {
        BadRuleException refused = catchThrowableOfType(BadRuleException.class, () -> Rule.parse("daily 08:30", zone));
        assertThat(refused).hasMessageContaining("Europe/Berlin");
    }
}
