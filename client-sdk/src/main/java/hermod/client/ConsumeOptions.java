package hermod.client;

import hermod.protocol.ProtocolLimits;

/**
 * How a channel is consumed. Setters give a changed copy, and throw {@link IllegalArgumentException} for a value out of range.
 *
 * @param parallelism calls to the handler at a time, each for another topic; 1 to 64, 1 by default.
 * @param inHandsMax events fetched and not handled at most; 1 to 1,000, the default. There are fewer where handlers are slow, so that none waits here until it is handed to somebody else.
 * @param isFromFirst whether a group that is new begins with the first event that the channel's log has; by default with what comes from then on. Of no effect where the group is there.
 */
public record ConsumeOptions(int parallelism, int inHandsMax, boolean isFromFirst) {
    private static final int PARALLELISM_MAX = 64;

    public ConsumeOptions {
        check("parallelism", parallelism, PARALLELISM_MAX);
        check("inHandsMax", inHandsMax, ProtocolLimits.FETCHED_EVENTS);
    }

    private static void check(String what, int value, int max) {
        if (value < 1 || value > max) {
            throw new IllegalArgumentException(what + " must be 1 to " + max + ": " + what + "=" + value);
        }
    }

    public static ConsumeOptions defaults() {
        return new ConsumeOptions(1, ProtocolLimits.FETCHED_EVENTS, false);
    }

    public ConsumeOptions parallelism(int calls) {
        return new ConsumeOptions(calls, inHandsMax, isFromFirst);
    }

    public ConsumeOptions inHandsMax(int events) {
        return new ConsumeOptions(parallelism, events, isFromFirst);
    }

    public ConsumeOptions fromFirst() {
        return new ConsumeOptions(parallelism, inHandsMax, true);
    }
}
