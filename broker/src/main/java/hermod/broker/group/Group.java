package hermod.broker.group;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A group of a channel. The groups' thread's. */
final class Group {
    final GroupKey key;
    final Mode mode;
    final ChannelGroups channel;
    final Ledger ledger;
    final List<Member> members = new ArrayList<>(1);

    /** Whose turn it is first, among the members. */
    int turn;

    /** When the last member left; the ledger is reset some time after. */
    long leftNs;

    // ---- what is stored of it

    /** Of what is stored. */
    long version;

    /** {@link Ledger#changes} and the floor, as they are stored. */
    long savedChanges;

    long savedFloor;

    boolean isSaving;

    /** {@link Ledger#changes} that are being stored. */
    long savingChanges;

    /** SETTLEs that the write under way answers, and those of the next one. */
    List<Settling> saving = new ArrayList<>();

    List<Settling> unsaved = new ArrayList<>();

    /** When it is stored without anybody waiting for it; {@code Long.MAX_VALUE} for not. */
    long saveAtNs = Long.MAX_VALUE;

    // ---- reading its channel

    boolean isReading;
    long readAgainAtNs;

    /** Set once, when an operator deletes it. */
    boolean isDeleting;

    /** What waits for the write under way to end. */
    @Nullable
    Runnable onSaved;

    /** What of the ledger's counts is in the metrics. */
    long countedExpired;

    long countedLost;
    long countedAgain;

    /** A SETTLE that waits for the store. @param count of the positions that it settled. */
    record Settling(Member member, int requestId, int count, Runnable onEnd) {}

    Group(GroupKey key, Mode mode, ChannelGroups channel, Ledger ledger, long version) {
        this.key = key;
        this.mode = mode;
        this.channel = channel;
        this.ledger = ledger;
        this.version = version;
        this.savedFloor = ledger.settled().floor();
    }

    boolean isDirty() {
        return ledger.changes() != savedChanges;
    }

    long lag() {
        Settled settled = ledger.settled();
        return Math.max(0, channel.next - settled.floor() - settled.countAbove());
    }

    /** When something is to be done with it without anybody asking. */
    long wakeNs(long nowNs) {
        long wakeNs = Math.min(saveAtNs, members.isEmpty() ? Long.MAX_VALUE : ledger.wakeNs());
        if (readAgainAtNs > nowNs) {
            wakeNs = Math.min(wakeNs, readAgainAtNs);
        }
        for (Member member : members) {
            Fetch fetch = member.fetch;
            if (fetch != null) {
                wakeNs = Math.min(wakeNs, fetch.untilNs());
            }
        }
        return wakeNs;
    }
}
