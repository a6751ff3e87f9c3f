package hermod.bench.account;

import hermod.protocol.Priority;

/**
 * One thing that happened on a subscriber's connection, in the order the broker wrote it or, for what the client says, took it.
 *
 * @param handle 0 where it is not about one topic.
 * @param from offset of EVENT and PROGRESS, first one of GAP and GAP_CLOSED, next one of SUBSCRIBED, the first that is not meant of ENDED, the switch of FILTER; bytes of CREDIT; the code of CLOSE.
 * @param to last offset of GAP and GAP_CLOSED; the filter of FILTER, or -1.
 * @param number of EVENT, from its payload.
 * @param bytes of the whole frame.
 * @param atUs on the broker's clock.
 */
record Note(Kind kind, int handle, long from, long to, long number, Priority priority, int bytes, long atUs) {
    enum Kind {
        SUBSCRIBED,
        UNSUBSCRIBED,
        ENDED,
        FILTER,
        EVENT,
        GAP,
        GAP_CLOSED,
        PROGRESS,
        CREDIT,
        CLOSE
    }

    static Note of(Kind kind, int handle, long from, long to) {
        return new Note(kind, handle, from, to, 0, Priority.LOW, 0, 0);
    }

    static Note event(int handle, long offset, long number, Priority priority, int bytes, long atUs) {
        return new Note(Kind.EVENT, handle, offset, offset, number, priority, bytes, atUs);
    }

    Note at(long timeUs) {
        return new Note(kind, handle, from, to, number, priority, bytes, timeUs);
    }
}
