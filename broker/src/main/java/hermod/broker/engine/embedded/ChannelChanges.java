package hermod.broker.engine.embedded;

import hermod.broker.engine.Answer;
import hermod.broker.engine.EngineFault;
import hermod.broker.shard.RunsOn;
import java.util.HashMap;
import java.util.Map;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/** Begins and ends channels' logs: one record of the journal each, in the order asked. All but asking is the thread's of {@link Changes}. */
@RunsOn(RunsOn.Owner.STORE)
final class ChannelChanges {
    private record Name(String org, String channel) {}

    /** A channel that was begun once. */
    static final class Known {
        final long number;
        final String org;
        final String channel;

        /** As the journal has it. */
        boolean isBegun;

        /** Records that the journal has not done with. */
        int underWay;

        Known(long number, String org, String channel, boolean isBegun) {
            this.number = number;
            this.org = org;
            this.channel = channel;
            this.isBegun = isBegun;
        }
    }

    private final Changes changes;
    private final Map<Name, Known> byName = new HashMap<>();
    private final Map<Long, Known> byNumber = new HashMap<>();
    private long lastNumber;

    /** @param known what was begun before the start. */
    ChannelChanges(Changes changes, Iterable<Known> known) {
        this.changes = changes;
        known.forEach(this::add);
    }

    private void add(Known known) {
        byName.put(new Name(known.org, known.channel), known);
        byNumber.put(known.number, known);
        lastNumber = Math.max(lastNumber, known.number);
    }

    /** @param onBegun given the number, when the journal has it. */
    void begin(String org, String channel, Answer<?> answer, LongConsumer onBegun) {
        changes.ask(answer, () -> {
            Known known = byName.get(new Name(org, channel));
            if (known == null) {
                known = new Known(lastNumber + 1, org, channel, false);
                add(known);
            }
            long number = known.number;
            if (known.isBegun && known.underWay == 0) {
                onBegun.accept(number);
                return;
            }
            change(known, true, fault -> {
                if (fault == null) {
                    onBegun.accept(number);
                } else {
                    answer.onFault(fault);
                }
            });
        });
    }

    void end(long number, Answer<Boolean> answer) {
        changes.ask(answer, () -> {
            Known known = byNumber.get(number);
            if (known == null || !known.isBegun && known.underWay == 0) {
                answer.onDone(false);
                return;
            }
            change(known, false, fault -> {
                if (fault == null) {
                    answer.onDone(true);
                } else {
                    answer.onFault(fault);
                }
            });
        });
    }

    private interface Told {
        void onOutcome(@Nullable EngineFault fault);
    }

    private void change(Known known, boolean isBegun, Told told) {
        boolean isOnItsWay = changes.append(
                true,
                StoreRecords.CHANNEL,
                out -> StoreRecords.writeChannel(out, known.number, isBegun, known.org, known.channel),
                fault -> {
                    known.underWay--;
                    if (fault == null) {
                        known.isBegun = isBegun;
                    }
                    told.onOutcome(fault);
                });
        if (isOnItsWay) {
            known.underWay++;
        } else {
            told.onOutcome(changes.noRoom());
        }
    }
}
