package hermod.broker.schedule;

import com.google.protobuf.ByteString;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.KeyedState;
import hermod.broker.shard.ShardClock;
import hermod.protocol.ErrorCode;
import hermod.protocol.control.wire.Cancelled;
import hermod.protocol.control.wire.Recurrence;
import hermod.protocol.control.wire.ScheduleList;
import hermod.protocol.control.wire.Scheduled;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What clients ask of scheduled events: to add one, to cancel one, to list their own.
 *
 * <p>The scheduler's thread's. The engine answers through {@link Tasks}, and no new event is taken where {@link DueIndex} says that it is full.
 */
final class ScheduleRequests {
    static final String EVENTS = "schedule";

    private static final Logger LOG = LoggerFactory.getLogger(ScheduleRequests.class);
    private static final int LISTED_COUNT_MAX = 100;

    private final KeyedState state;
    private final Tasks tasks;
    private final Turns turns;
    private final DueIndex index;
    private final Timing timing;
    private final ShardClock clock;

    ScheduleRequests(KeyedState state, Tasks tasks, Turns turns, DueIndex index, Timing timing, ShardClock clock) {
        this.state = state;
        this.tasks = tasks;
        this.turns = turns;
        this.index = index;
        this.timing = timing;
        this.clock = clock;
    }

    void add(byte[] key, ScheduledEvent asked, Consumer<Reply> answer) {
        Consumer<Reply> end = reply -> {
            answer.accept(reply);
            turns.endTurn(key);
        };
        state.get(
                EVENTS,
                key,
                tasks.back(
                        found -> {
                            if (found == null) {
                                addNew(key, asked, end);
                            } else {
                                end.accept(addedBefore(key, found, asked));
                            }
                        },
                        fault -> end.accept(unavailable(fault))));
    }

    private Reply addedBefore(byte[] key, KeyedState.Value found, ScheduledEvent asked) {
        ScheduledEvent there = readable(key, found);
        if (there == null) {
            return Reply.refused(ErrorCode.BAD_REQUEST, "what is stored under this id is damaged; draw a new one");
        }
        if (!there.isSame(asked)) {
            return Reply.refused(
                    ErrorCode.BAD_REQUEST, "another event is scheduled under this id; draw a new one for each");
        }
        // Where it was stored and its answer failed, nobody has it in memory.
        index.remember(DueKey.of(there.dueUs(), key));
        return Reply.of(Scheduled.newBuilder()
                .setEvent(shown(key, there))
                .setExisted(true)
                .build());
    }

    private void addNew(byte[] key, ScheduledEvent asked, Consumer<Reply> end) {
        ScheduledEvent event;
        try {
            event = timing.timed(asked, clock.nowUs());
        } catch (BadRuleException bad) {
            end.accept(Reply.refused(ErrorCode.BAD_REQUEST, bad.sentence()));
            return;
        }
        DueKey due = DueKey.of(event.dueUs(), key);
        byte[] value = event.write();
        String full = index.fullSentence(due, value.length);
        if (full != null) {
            end.accept(Reply.refused(ErrorCode.TOO_MANY_SCHEDULES, full));
            return;
        }
        index.putInIndex(
                due,
                value.length,
                () -> state.put(
                        EVENTS,
                        key,
                        KeyedState.NO_VERSION,
                        value,
                        KeyedState.NEVER_EXPIRES,
                        tasks.back(
                                outcome -> {
                                    index.remember(due);
                                    end.accept(
                                            outcome.isStored()
                                                    ? Reply.of(Scheduled.newBuilder()
                                                            .setEvent(shown(key, event))
                                                            .build())
                                                    : Reply.refused(
                                                            ErrorCode.UNAVAILABLE,
                                                            "the event was changed meanwhile; ask again"));
                                },
                                fault -> {
                                    // It may be stored nevertheless.
                                    index.remember(due);
                                    end.accept(unavailable(fault));
                                })),
                fault -> end.accept(unavailable(fault)));
    }

    void cancelInTurn(byte[] key, Consumer<Reply> answer) {
        Runnable end = () -> turns.endTurn(key);
        Consumer<EngineFault> onFault = fault -> {
            answer.accept(unavailable(fault));
            end.run();
        };
        state.get(
                EVENTS,
                key,
                tasks.back(
                        found -> {
                            if (found == null) {
                                answer.accept(Reply.of(Cancelled.getDefaultInstance()));
                                end.run();
                                return;
                            }
                            state.put(
                                    EVENTS,
                                    key,
                                    found.version(),
                                    null,
                                    KeyedState.NEVER_EXPIRES,
                                    tasks.back(
                                            outcome -> {
                                                answer.accept(Reply.of(Cancelled.newBuilder()
                                                        .setCancelled(outcome.isStored())
                                                        .build()));
                                                ScheduledEvent gone = readable(key, found);
                                                if (gone == null) {
                                                    end.run();
                                                } else {
                                                    index.removeFromIndex(DueKey.of(gone.dueUs(), key), end);
                                                }
                                            },
                                            onFault));
                        },
                        onFault));
    }

    void listNow(String org, String user, byte[] after, int countMax, Consumer<Reply> answer) {
        byte[] prefix = DueKey.prefix(org, user);
        byte[] end = prefix.clone();
        end[end.length - 1]++;
        byte[] from = Arrays.copyOf(prefix, prefix.length + (after.length == 0 ? 0 : after.length + 1));
        System.arraycopy(after, 0, from, prefix.length, after.length);
        int wanted = countMax <= 0 ? LISTED_COUNT_MAX : Math.min(LISTED_COUNT_MAX, countMax);
        state.scan(
                EVENTS,
                from,
                end,
                wanted + 1,
                tasks.back(
                        found -> {
                            ScheduleList.Builder list =
                                    ScheduleList.newBuilder().setMore(found.size() > wanted);
                            for (KeyedState.Value value : found.subList(0, Math.min(wanted, found.size()))) {
                                ScheduledEvent event = readable(value.key(), value);
                                if (event != null) {
                                    list.addEvents(shown(value.key(), event));
                                }
                            }
                            answer.accept(Reply.of(list.build()));
                        },
                        fault -> answer.accept(unavailable(fault))));
    }

    private static hermod.protocol.control.wire.ScheduledEvent shown(byte[] key, ScheduledEvent event) {
        hermod.protocol.control.wire.ScheduledEvent.Builder shown =
                hermod.protocol.control.wire.ScheduledEvent.newBuilder()
                        .setId(ByteString.copyFrom(DueKey.idOf(key)))
                        .setTopic(event.topic())
                        .setDeliverAtUs(event.dueUs())
                        .setPayloadBytes(event.payloadBytes());
        if (event.isRecurring()) {
            shown.setRecurrence(Recurrence.newBuilder()
                    .setRule(event.rule())
                    .setZone(event.zone())
                    .setUntilUs(event.untilUs()));
        }
        return shown.build();
    }

    /** What is stored; null where it is damaged. */
    static @Nullable ScheduledEvent readable(byte[] key, KeyedState.Value found) {
        try {
            return ScheduledEvent.read(found.bytes());
        } catch (IllegalArgumentException damaged) {
            LOG.error(
                    "a scheduled event can't be read: id={}, why={}",
                    HexFormat.of().formatHex(DueKey.idOf(key)),
                    damaged.getMessage());
            return null;
        }
    }

    private static Reply unavailable(EngineFault fault) {
        return Reply.refused(ErrorCode.UNAVAILABLE, "scheduled events can't be kept now: " + fault.sentence());
    }
}
