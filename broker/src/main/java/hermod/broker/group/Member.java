package hermod.broker.group;

import org.jspecify.annotations.Nullable;

/** One membership, from its JOIN on. */
final class Member {
    final Memberships session;
    final long number;
    final GroupKey key;

    // ---- the session's shard's

    /** Whether the client knows its number. */
    boolean isJoined;

    /** Whether the session has ended it. */
    boolean isEnding;

    // ---- the groups' thread's

    /** What it is a member of now; null before it has joined and after its end. */
    @Nullable
    Group group;

    boolean isOver;
    final Hands hands = new Hands();

    @Nullable
    Fetch fetch;

    Member(Memberships session, long number, GroupKey key) {
        this.session = session;
        this.number = number;
        this.key = key;
    }
}
