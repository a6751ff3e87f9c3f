package hermod.broker.metrics;

import java.util.Locale;

/** What a broker counts per channel. */
public enum ChannelCounter {
    PUBLISHED("Events accepted."),
    DELIVERED("Events written to subscribers' sockets."),
    DUPLICATES("Events recognised as published before and not delivered again."),
    REFUSED("Events refused; the publisher was told why."),
    EXPIRED("Events not accepted, or not delivered to one subscriber, because their time to live had passed."),
    CLAMPED("Events whose priority was lowered to the ceiling, or for want of the right to URGENT."),
    FILTERED("Events not sent to one subscriber because its filter does not match them."),
    CONFLATED("Events not delivered to a subscriber that was behind, because a newer one of the same key was."),
    SHED("Events, or what stood at their offsets, not sent to a quarantined subscriber, and announced to it by GAP.");

    private final String meaning;

    ChannelCounter(String meaning) {
        this.meaning = meaning;
    }

    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    public String meaning() {
        return meaning;
    }
}
