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
    SHED("Events, or what stood at their offsets, not sent to a quarantined subscriber, and announced to it by GAP."),
    GROUP_HANDED_OUT("Events handed out to members of consumer groups, each time."),
    GROUP_REPEATED(
            "Those of them that were handed out before: released, not settled in time, or of a member that was gone. Look at the members when it rises."),
    GROUP_SETTLED("Events settled by members of consumer groups."),
    GROUP_LOST(
            "Events that were no longer kept when a consumer group came to them. Any at all: the group was away longer than the channel keeps events, or is too slow.");

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
