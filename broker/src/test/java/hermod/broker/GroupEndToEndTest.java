package hermod.broker;

import static hermod.broker.GroupClient.joining;
import static hermod.broker.GroupClient.range;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import hermod.broker.GroupClient.Fetched;
import hermod.broker.GroupClient.Item;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.GatedEngine;
import hermod.broker.group.GroupConfig;
import hermod.broker.metrics.GroupStats;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Fetch;
import hermod.protocol.control.wire.Join;
import hermod.protocol.control.wire.Join.Mode;
import hermod.protocol.control.wire.Join.Start;
import hermod.protocol.control.wire.Joined;
import hermod.protocol.control.wire.Leave;
import hermod.protocol.control.wire.Left;
import hermod.protocol.control.wire.Left.Reason;
import hermod.protocol.control.wire.Refresh;
import hermod.protocol.control.wire.Settle;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The sentences of section 17 of the protocol. */
@Tag("EV-12")
class GroupEndToEndTest {
    private final StateGate engine = new StateGate();

    /** Brokers of one test share it, as those before and after a restart do. */
    @TempDir
    Path dataDir;

    @AfterEach
    void endEngine() {
        engine.end();
    }

    /** In-flight events, bytes, settle timeout and the shortest wait of a release are a test's. */
    private static GroupConfig config(int inFlight, int inFlightBytes, int settleTimeoutMs, int retryMs) {
        GroupConfig defaults = GroupConfig.defaults();
        return new GroupConfig(
                3,
                2,
                4,
                inFlight,
                inFlightBytes,
                settleTimeoutMs,
                retryMs,
                4 * retryMs,
                defaults.fetchedLimitBytes(),
                defaults.aheadLimitBytes(),
                defaults.waitingLimitCount());
    }

    private BrokerUnderTest start() throws Exception {
        return start(config(1_000, 1 << 20, 60_000, 100));
    }

    private BrokerUnderTest start(GroupConfig groups) throws Exception {
        return new BrokerUnderTest.Setup()
                .engine(engine)
                .dataDir(dataDir)
                .groups(groups)
                .start();
    }

    /** Publishes, waits for the outcome. */
    private static void publish(BrokerUnderTest broker, String topic, String... texts) throws Exception {
        try (RawClient alice = broker.client("alice")) {
            publish(alice, topic, texts);
        }
    }

    private static void publish(RawClient alice, String topic, String... texts) throws Exception {
        int handle = alice.open(topic).getHandle();
        for (String text : texts) {
            alice.publish(handle, 1, text);
            assertThat(alice.readPublished().rangeCount()).isEqualTo(1);
        }
    }

    private static GroupStats groupOf(BrokerUnderTest broker, String name) {
        return broker.broker().groups().stream()
                .filter(group -> group.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void withoutTheFeatureItsFramesAreRefusedAndNotLookedAt() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, broker.token("fraud", GroupClient.RIGHTS), 0);
            for (FrameType type : List.of(FrameType.JOIN, FrameType.FETCH, FrameType.SETTLE, FrameType.LEAVE)) {
                assertThat(client.refusal(
                                type, joining("chat", "g", Mode.MODE_SHARED).build()))
                        .isEqualTo(ErrorCode.UNSUPPORTED.code());
            }
            RawClient other = broker.socket();
            assertThat(other.connect(RawClient.hello(broker.token("fraud", GroupClient.RIGHTS))
                                            .setFeatures(0xffff_ffffL))
                                    .getFeatures()
                            & Feature.GROUP.bit())
                    .isNotZero();
        }
    }

    @Test
    void aMemberGetsEventsWholeWithTheirTopicsWhateverTheTopic() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient fraud = new GroupClient(broker, "fraud");
            Joined joined = fraud.join(joining("chat", "fraud", Mode.MODE_SHARED));
            assertThat(joined.getExisted()).isFalse();
            assertThat(joined.getSettleTimeoutMs()).isEqualTo(60_000);
            assertThat(joined.getInFlightLimit()).isEqualTo(1_000);
            assertThat(joined.getLag()).isZero();
            RawClient bob = broker.client("bob");
            int epoch = bob.subscribe("chat:a").getEpoch();
            publish(broker, "chat:a", "one", "two");
            publish(broker, "support:x", "of another channel");
            publish(broker, "chat:b", "three");
            List<Item> all = fraud.fetchAll(joined.getMember(), 3);
            assertThat(all).extracting(item -> item.event().text()).containsExactlyInAnyOrder("one", "two", "three");
            assertThat(all).extracting(Item::position).containsExactly(1L, 2L, 3L);
            assertThat(all).extracting(Item::attempt).containsOnly(1);
            RawClient.Event delivered = bob.readEvent();
            Item first = all.get(0);
            assertThat(first.topic()).isEqualTo("chat:a");
            assertThat(first.epoch()).isEqualTo(epoch);
            assertThat(first.event().handle()).isZero();
            assertThat(first.event().offset()).isEqualTo(delivered.offset());
            assertThat(first.event().timestampUs()).isEqualTo(delivered.timestampUs());
            assertThat(first.event().field(EventFields.TAG_SOURCE)).isEqualTo("alice");
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void eachEventGoesToOneMemberOfASharedGroupAndToEachObserver(int shards) throws Exception {
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup()
                .engine(engine)
                .dataDir(dataDir)
                .shards(shards)
                .start()) {
            GroupClient one = new GroupClient(broker, "fraud");
            GroupClient two = new GroupClient(broker, "fraud");
            GroupClient risk = new GroupClient(broker, "risk");
            long first = one.share("fraud");
            long second = two.share("fraud");
            long observer =
                    risk.join(joining("chat", "risk", Mode.MODE_OBSERVER)).getMember();
            for (int i = 0; i < 10; i++) {
                publish(broker, "chat:t" + i, "e" + i);
            }
            List<Item> shared = new ArrayList<>();
            while (shared.size() < 10) {
                shared.addAll(one.fetch(first, 3, 100).items());
                shared.addAll(two.fetch(second, 3, 100).items());
            }
            assertThat(shared)
                    .extracting(Item::position)
                    .doesNotHaveDuplicates()
                    .hasSize(10);
            assertThat(risk.fetchAll(observer, 10))
                    .extracting(Item::position)
                    .containsExactly(1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L, 10L);
        }
    }

    @Test
    void anObserverThatComesTakesOverFromTheOneBefore() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient before = new GroupClient(broker, "risk");
            long old = before.join(joining("chat", "risk", Mode.MODE_OBSERVER)).getMember();
            publish(broker, "chat:a", "one", "two");
            assertThat(before.fetchAll(old, 2)).hasSize(2);
            assertThat(before.settle(old, 1, 1)).isEqualTo(1);
            GroupClient after = new GroupClient(broker, "risk");
            Joined joined = after.join(joining("chat", "risk", Mode.MODE_OBSERVER));
            assertThat(joined.getExisted()).isTrue();
            assertThat(joined.getLag()).isEqualTo(1);
            Left left = before.left();
            assertThat(left.getMember()).isEqualTo(old);
            assertThat(left.getReason()).isEqualTo(Reason.REASON_TAKEN_OVER);
            Fetched page = after.fetch(joined.getMember(), 9);
            assertThat(page.texts()).containsExactly("two");
            assertThat(page.items().get(0).attempt()).isEqualTo(2);
            assertThat(before.refusal(
                            FrameType.SETTLE,
                            Settle.newBuilder()
                                    .setMember(old)
                                    .addSettled(range(2, 2))
                                    .build()))
                    .isEqualTo(ErrorCode.NOT_A_MEMBER.code());
        }
    }

    @Test
    void aNewGroupBeginsNowOrWithTheFirstEventOfTheChannelsLog() throws Exception {
        try (BrokerUnderTest broker = start()) {
            publish(broker, "chat:a", "before the log");
            GroupClient client = new GroupClient(broker, "fraud");
            long first = client.share("one");
            publish(broker, "chat:a", "early");
            assertThat(client.fetch(first, 9).texts()).containsExactly("early");
            long now = client.share("two");
            long begin = client.join(joining("chat", "three", Mode.MODE_SHARED).setStart(Start.START_FIRST))
                    .getMember();
            publish(broker, "chat:a", "late");
            assertThat(client.fetch(now, 9).texts()).containsExactly("late");
            assertThat(client.fetchAll(begin, 2))
                    .extracting(item -> item.event().text())
                    .containsExactly("early", "late");
        }
    }

    @Test
    void joinIsRefusedWithTheReason() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            client.share("shared");
            Map<Join.Builder, ErrorCode> refused = new HashMap<>();
            refused.put(joining("nope", "g", Mode.MODE_SHARED), ErrorCode.UNKNOWN_CHANNEL);
            refused.put(joining("reports", "g", Mode.MODE_SHARED), ErrorCode.BAD_REQUEST);
            refused.put(joining("chat", "", Mode.MODE_SHARED), ErrorCode.BAD_REQUEST);
            refused.put(joining("chat", "a b", Mode.MODE_SHARED), ErrorCode.BAD_REQUEST);
            refused.put(joining("chat", "x".repeat(65), Mode.MODE_SHARED), ErrorCode.BAD_REQUEST);
            refused.put(joining("chat", "g", Mode.MODE_UNSPECIFIED), ErrorCode.BAD_REQUEST);
            refused.put(joining("chat", "shared", Mode.MODE_OBSERVER), ErrorCode.BAD_REQUEST);
            for (Map.Entry<Join.Builder, ErrorCode> each : refused.entrySet()) {
                assertThat(client.refusal(FrameType.JOIN, each.getKey().build()))
                        .as(each.getKey().toString())
                        .isEqualTo(each.getValue().code());
            }
            GroupClient other = new GroupClient(
                    broker, broker.token("bob", List.of("sub:*", "pub:*", "group:supp*")), Feature.GROUP.bit());
            assertThat(other.refusal(
                            FrameType.JOIN,
                            joining("chat", "shared", Mode.MODE_SHARED).build()))
                    .isEqualTo(ErrorCode.FORBIDDEN.code());
            other.join(joining("support", "g", Mode.MODE_SHARED));
            broker.broker().kill("chat", "maintenance", false);
            client.left();
            assertThat(client.refusal(
                            FrameType.JOIN,
                            joining("chat", "shared", Mode.MODE_SHARED).build()))
                    .isEqualTo(ErrorCode.NOT_ENABLED.code());
        }
    }

    @Test
    void anOrgHasSoManyGroupsAGroupSoManyMembersAndAConnectionSoManyMemberships() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            client.share("one");
            client.share("two");
            client.join(joining("support", "three", Mode.MODE_SHARED));
            int tooMany = ErrorCode.TOO_MANY_GROUPS.code();
            assertThat(client.refusal(
                            FrameType.JOIN,
                            joining("chat", "four", Mode.MODE_SHARED).build()))
                    .as("groups of the org")
                    .isEqualTo(tooMany);
            long again = client.share("one");
            GroupClient other = new GroupClient(broker, "other");
            assertThat(other.refusal(
                            FrameType.JOIN,
                            joining("chat", "one", Mode.MODE_SHARED).build()))
                    .as("members of the group")
                    .isEqualTo(tooMany);
            assertThat(client.refusal(
                            FrameType.JOIN,
                            joining("chat", "two", Mode.MODE_SHARED).build()))
                    .as("memberships of the connection")
                    .isEqualTo(tooMany);
            client.leave(again);
            other.share("one");
            client.share("two");
            broker.broker().deleteGroup("acme", "support", "three");
            assertThat(client.left().getReason()).isEqualTo(Reason.REASON_DELETED);
            client.share("four");
        }
    }

    @Test
    void fetchIsAnsweredAsSoonAsThereIsAnEventOrWithoutOnesAfterItsTime() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            Fetched none = client.fetch(member, 9, 20);
            assertThat(none.items()).isEmpty();
            assertThat(none.lostTo()).isZero();
            int request = client.sendFetch(member, 9, 60_000);
            client.sendFetch(member, 9, 60_000);
            assertThat(client.raw().readError()).isEqualTo(ErrorCode.BACK_PRESSURED.code());
            publish(broker, "chat:a", "one");
            assertThat(FrameHeader.requestId(client.raw().read(FrameType.FETCHED), 0))
                    .isEqualTo(request);
        }
    }

    @Test
    void aMemberHasOnlySoManyEventsAndBytesInItsHands() throws Exception {
        try (BrokerUnderTest broker = start(config(3, 1_500, 60_000, 100))) {
            GroupClient client = new GroupClient(broker, "fraud");
            Joined joined = client.join(joining("chat", "fraud", Mode.MODE_SHARED));
            assertThat(joined.getInFlightLimit()).isEqualTo(3);
            long member = joined.getMember();
            publish(broker, "chat:a", "1", "2", "3", "4", "x".repeat(1_000), "y".repeat(1_000));
            assertThat(client.fetchAll(member, 3)).hasSize(3);
            assertThat(client.fetch(member, 9, 50).items())
                    .as("three are in hand")
                    .isEmpty();
            client.sendFetch(member, 9, 10_000);
            client.sendSettle(member, 2, 2);
            assertThat(List.of(client.raw().read(), client.raw().read()))
                    .extracting(frame -> FrameHeader.type(frame, 0))
                    .containsExactlyInAnyOrder(FrameType.FETCHED.code(), FrameType.SETTLED.code());
            assertThat(client.settle(member, 1, 4)).isEqualTo(3);
            assertThat(client.fetch(member, 9).items())
                    .extracting(Item::position)
                    .containsExactly(5L);
            assertThat(client.fetch(member, 9, 50).items())
                    .as("the bytes are in hand")
                    .isEmpty();
            client.settle(member, 5, 5);
            assertThat(client.fetch(member, 9).items())
                    .extracting(Item::position)
                    .containsExactly(6L);
        }
    }

    @Test
    void settledComesWhenItIsOnDiskAndSettleMayBeRepeated() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            publish(broker, "chat:a", "1", "2", "3");
            client.fetchAll(member, 3);
            engine.hold();
            client.sendSettle(member, 1, 2);
            await().until(() -> engine.heldCount() == 1);
            client.sendSettle(member, 2, 2);
            client.sendSettle(member, 3, 3);
            assertThat(client.raw().isQuiet(50)).isTrue();
            engine.release();
            assertThat(client.settled()).isEqualTo(2);
            assertThat(client.settled()).as("passed over").isZero();
            assertThat(client.settled()).isEqualTo(1);
            assertThat(client.settle(member, 1, Long.MAX_VALUE)).isZero();
            assertThat(groupOf(broker, "fraud").lag()).isZero();
            assertThat(broker.channel("chat").groupSettled()).isEqualTo(3);
            assertThat(broker.channel("chat").groupHandedOut()).isEqualTo(3);
            assertThat(broker.channel("chat").groupRepeated()).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatCouldNotBeStoredIsRefusedAndSettlingAgainStoresIt(boolean isStoredThough) throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            publish(broker, "chat:a", "1", "2");
            client.fetchAll(member, 2);
            engine.fail(EngineFault.FULL, isStoredThough);
            client.sendSettle(member, 1, 1);
            assertThat(client.raw().readError()).isEqualTo(ErrorCode.STORE_FULL.code());
            engine.fail(EngineFault.FAILED, isStoredThough);
            client.sendSettle(member, 1, 1);
            assertThat(client.raw().readError()).isEqualTo(ErrorCode.UNAVAILABLE.code());
            engine.fail(null, false);
            client.settle(member, 1, 1);
        }
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            assertThat(client.fetch(client.share("fraud"), 9).texts()).containsExactly("2");
        }
    }

    @Test
    void aGroupKeepsItsPlaceOverItsMembersAndTheBrokersEnd() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            publish(broker, "chat:a", "1", "2", "3");
            publish(broker, "chat:b", "4");
            client.fetchAll(member, 4);
            client.settle(member, 1, 1);
            client.settle(member, 3, 3);
            client.raw().close();
            publish(broker, "chat:a", "5");
            await().until(() -> groupOf(broker, "fraud").members() == 0);
        }
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            Joined joined =
                    client.join(joining("chat", "fraud", Mode.MODE_SHARED).setStart(Start.START_FIRST));
            assertThat(joined.getExisted()).isTrue();
            assertThat(joined.getLag()).isEqualTo(3);
            assertThat(client.fetchAll(joined.getMember(), 3))
                    .extracting(Item::position)
                    .containsExactly(2L, 4L, 5L);
            assertThat(client.fetch(joined.getMember(), 9, 50).items()).isEmpty();
            assertThat(client.refusal(
                            FrameType.JOIN,
                            joining("chat", "fraud", Mode.MODE_OBSERVER).build()))
                    .as("its mode")
                    .isEqualTo(ErrorCode.BAD_REQUEST.code());
        }
    }

    @Test
    void onDiskTooNothingThatWasSettledComesAgainAndTheRestDoes() throws Exception {
        BrokerUnderTest.Setup setup = new BrokerUnderTest.Setup().embedded().dataDir(dataDir);
        try (BrokerUnderTest broker = setup.start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            RawClient alice = broker.client("alice");
            for (int i = 0; i < 50; i++) {
                publish(alice, "chat:t" + i % 7, "e" + i);
            }
            client.fetchAll(member, 50);
            for (long position = 1; position <= 50; position += 2) {
                client.settle(member, position, position);
            }
        }
        try (BrokerUnderTest broker = setup.start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            publish(broker, "chat:t1", "after");
            List<Item> rest = client.fetchAll(member, 26);
            assertThat(rest).extracting(Item::position).allMatch(position -> position % 2 == 0 || position == 51);
            assertThat(rest.get(25).event().text()).isEqualTo("after");
            assertThat(client.settle(member, 1, 51)).isEqualTo(26);
            assertThat(client.fetch(member, 9, 50).items()).isEmpty();
        }
    }

    @Test
    void whatIsNotSettledInTimeIsHandedOutAgainWithAHigherAttempt() throws Exception {
        try (BrokerUnderTest broker = start(config(1_000, 1 << 20, 200, 10))) {
            GroupClient slow = new GroupClient(broker, "fraud");
            GroupClient quick = new GroupClient(broker, "fraud");
            long first = slow.share("fraud");
            publish(broker, "chat:a", "1");
            assertThat(slow.fetch(first, 9).position(0)).isEqualTo(1);
            long second = quick.share("fraud");
            Fetched again = quick.fetch(second, 9);
            assertThat(again.position(0)).isEqualTo(1);
            assertThat(again.items().get(0).attempt()).isGreaterThanOrEqualTo(2);
            assertThat(slow.settle(first, 1, 1)).as("not in its hands any more").isZero();
            // The machine may be slow too.
            while (quick.settle(second, 1, 1) == 0) {
                assertThat(quick.fetch(second, 9).position(0)).isEqualTo(1);
            }
            assertThat(broker.channel("chat").groupRepeated()).isPositive();
        }
    }

    @Test
    void whatAMemberThatIsGoneHadGoesToAnotherAtOnce() throws Exception {
        try (BrokerUnderTest broker = start(config(1_000, 1 << 20, 60_000, 30_000))) {
            GroupClient one = new GroupClient(broker, "fraud");
            GroupClient two = new GroupClient(broker, "fraud");
            long first = one.share("fraud");
            long second = two.share("fraud");
            publish(broker, "chat:a", "1", "2");
            assertThat(one.fetchAll(first, 2)).hasSize(2);
            two.sendFetch(second, 9, 10_000);
            one.raw().close();
            assertThat(two.fetched().items()).extracting(Item::attempt).containsExactly(2, 2);
            GroupClient three = new GroupClient(broker, "fraud");
            long third = three.share("fraud");
            Left left = two.leave(second);
            assertThat(left.getReason()).isEqualTo(Reason.REASON_ASKED);
            assertThat(three.fetch(third, 9).items()).extracting(Item::attempt).containsExactly(3, 3);
        }
    }

    @Test
    void eventsOfATopicGoInOrderToWhoHasSomethingOfIt() throws Exception {
        try (BrokerUnderTest broker = start(config(1_000, 1 << 20, 60_000, 50))) {
            GroupClient one = new GroupClient(broker, "fraud");
            GroupClient two = new GroupClient(broker, "fraud");
            long first = one.share("fraud");
            long second = two.share("fraud");
            publish(broker, "chat:a", "a1", "a2", "a3");
            publish(broker, "chat:b", "b1");
            assertThat(one.fetchAll(first, 2))
                    .extracting(item -> item.event().text())
                    .containsExactly("a1", "a2");
            assertThat(two.fetch(second, 9).texts())
                    .as("the topic is in other hands")
                    .containsExactly("b1");
            assertThat(one.fetch(first, 9).texts()).containsExactly("a3");
            one.release(first, 2, 2);
            assertThat(one.settle(first, 3, 3))
                    .as("given back with the one before it")
                    .isZero();
            assertThat(two.fetch(second, 9, 200).items())
                    .as("a1 is in other hands")
                    .isEmpty();
            assertThat(one.settle(first, 1, 1)).isEqualTo(1);
            assertThat(two.fetchAll(second, 2))
                    .extracting(item -> item.event().text())
                    .containsExactly("a2", "a3");
        }
    }

    @Test
    void whatWasReleasedComesAgainAfterAWhileAndOtherTopicsGoOnMeanwhile() throws Exception {
        try (BrokerUnderTest broker = start(config(1_000, 1 << 20, 60_000, 1_000))) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            publish(broker, "chat:a", "a1", "a2");
            publish(broker, "chat:b", "b1");
            client.fetchAll(member, 2);
            client.release(member, 1, 1);
            assertThat(client.fetch(member, 9).texts()).containsExactly("b1");
            Fetched again = client.fetch(member, 9);
            assertThat(again.texts()).containsExactly("a1", "a2");
            assertThat(again.items()).extracting(Item::attempt).containsExactly(2, 2);
        }
    }

    @Test
    void anEventPastItsTimeToLiveIsNotHandedOutAndCountsAsSettled() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient one = new GroupClient(broker, "fraud");
            GroupClient two = new GroupClient(broker, "fraud");
            long first = one.share("fraud");
            long second = two.share("fraud");
            RawClient alice = broker.client("alice");
            publish(alice, "chat:a", "1");
            one.fetchAll(first, 1);
            int handle = alice.open("chat:a").getHandle();
            alice.publish(handle, 2, 0, 0, 0, 1, "soon over");
            alice.readPublished();
            publish(alice, "chat:a", "3");
            assertThat(two.fetch(second, 9, 1_200).items())
                    .as("the topic is in other hands")
                    .isEmpty();
            assertThat(one.fetch(first, 9).texts()).containsExactly("3");
            assertThat(one.settle(first, 1, 3)).isEqualTo(2);
            assertThat(groupOf(broker, "fraud").lag()).isZero();
            assertThat(broker.channel("chat").expired()).isEqualTo(1);
        }
    }

    @Test
    void whatIsNoLongerKeptIsToldOnceAndCountsAsSettled() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            client.leave(member);
            publish(broker, "chat:a", "1", "2", "3");
            CountDownLatch isRemoved = new CountDownLatch(1);
            engine.memory().removeBelow("acme", "chat:a", 3, isRemoved::countDown);
            isRemoved.await();
            member = client.share("fraud");
            Fetched page = client.fetch(member, 9);
            assertThat(page.lostFrom()).isEqualTo(1);
            assertThat(page.lostTo()).isEqualTo(2);
            assertThat(page.texts()).containsExactly("3");
            assertThat(client.fetch(member, 9, 50).lostTo()).isZero();
            assertThat(client.settle(member, 3, 3)).isEqualTo(1);
            assertThat(groupOf(broker, "fraud").lag()).isZero();
            assertThat(broker.channel("chat").groupLost()).isEqualTo(2);
        }
    }

    @Test
    void aMembershipIsItsConnectionsAlone() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient one = new GroupClient(broker, "fraud");
            GroupClient two = new GroupClient(broker, "fraud");
            long member = one.share("fraud");
            publish(broker, "chat:a", "1");
            one.fetch(member, 9);
            for (long number : new long[] {member, member + 1, 0}) {
                assertThat(two.refusal(
                                FrameType.FETCH,
                                Fetch.newBuilder().setMember(number).build()))
                        .isEqualTo(ErrorCode.NOT_A_MEMBER.code());
                assertThat(two.refusal(
                                FrameType.SETTLE,
                                Settle.newBuilder()
                                        .setMember(number)
                                        .addSettled(range(1, 1))
                                        .build()))
                        .isEqualTo(ErrorCode.NOT_A_MEMBER.code());
                assertThat(two.refusal(
                                FrameType.LEAVE,
                                Leave.newBuilder().setMember(number).build()))
                        .isEqualTo(ErrorCode.NOT_A_MEMBER.code());
            }
            long own = two.share("fraud");
            assertThat(two.settle(own, 1, 1)).as("in other hands").isZero();
            assertThat(one.settle(member, 1, 1)).isEqualTo(1);
        }
    }

    @Test
    void aSettleWithBadRangesIsRefused() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            Settle.Builder tooMany = Settle.newBuilder().setMember(member);
            for (int i = 1; i <= 1_000; i++) {
                tooMany.addSettled(range(i, i));
            }
            client.send(FrameType.SETTLE, tooMany.build());
            assertThat(client.settled()).isZero();
            assertThat(client.refusal(
                            FrameType.SETTLE,
                            tooMany.addReleased(range(2_000, 2_000)).build()))
                    .isEqualTo(ErrorCode.BAD_REQUEST.code());
            assertThat(client.refusal(
                            FrameType.SETTLE,
                            Settle.newBuilder()
                                    .setMember(member)
                                    .addReleased(range(2, 1))
                                    .build()))
                    .isEqualTo(ErrorCode.BAD_REQUEST.code());
        }
    }

    @ParameterizedTest
    @EnumSource
    void aDefectIsCountedAndRefusesOneRequestAndTheOthersGoOn(StateGate.Defect defect) throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            engine.stumble(defect);
            broker.expectDefects(1);
            Join.Builder asked =
                    Join.newBuilder().setChannel("chat").setGroup("fraud").setMode(Join.Mode.MODE_SHARED);
            assertThat(client.refusal(FrameType.JOIN, asked.build())).isEqualTo(ErrorCode.UNAVAILABLE.code());
            long member = client.share("fraud");
            publish(broker, "chat:a", "1");
            assertThat(client.fetch(member, 9).texts()).containsExactly("1");
            assertThat(broker.counter("defects")).isEqualTo(1);
        }
    }

    @Test
    void aRangeBeyondAllPositionsSettlesAndReleasesNothing() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            publish(broker, "chat:a", "1", "2");
            client.fetchAll(member, 2);
            assertThat(client.settle(member, -2, -1)).isZero();
            client.release(member, -1, -1);
            assertThat(client.settle(member, 2, -1)).isEqualTo(1);
            assertThat(client.settle(member, 1, 1)).isEqualTo(1);
        }
    }

    @Test
    void aFetchUnderWayIsAnsweredBeforeLeft() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            client.sendFetch(member, 9, 60_000);
            client.send(FrameType.LEAVE, Leave.newBuilder().setMember(member).build());
            assertThat(client.fetched().items()).isEmpty();
            assertThat(client.left().getMember()).isEqualTo(member);
            assertThat(client.refusal(
                            FrameType.LEAVE,
                            Leave.newBuilder().setMember(member).build()))
                    .isEqualTo(ErrorCode.NOT_A_MEMBER.code());
        }
    }

    @Test
    void whoSaysGoodbyeIsNoMemberAnyMoreWhileItsOutcomesAreWaitedFor() throws Exception {
        GatedEngine disk = new GatedEngine();
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().engine(disk).dataDir(dataDir).start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            int handle = client.raw().open("dm:a").getHandle();
            disk.hold();
            client.raw().publish(handle, 7, "waits for the disk");
            client.sendFetch(member, 9, 60_000);
            await().until(() -> disk.heldCount() > 0);
            client.send(
                    FrameType.CLOSE,
                    Close.newBuilder().setCode(CloseCode.NORMAL.code()).build());
            assertThat(client.fetched().items()).isEmpty();
            assertThat(client.left().getReason()).isEqualTo(Left.Reason.REASON_ASKED);
            disk.release();
            assertThat(client.raw().readPublished().rangeCount()).isEqualTo(1);
            assertThat(client.raw().readClose()).isEqualTo(CloseCode.NORMAL.code());
        } finally {
            disk.end();
        }
    }

    @Test
    void aTokenWithFewerRightsEndsTheMembershipsItDoesNotAllow() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            long chat = client.share("fraud");
            long support =
                    client.join(joining("support", "fraud", Mode.MODE_SHARED)).getMember();
            publish(broker, "chat:a", "1");
            client.fetch(chat, 9);
            client.send(
                    FrameType.REFRESH,
                    Refresh.newBuilder()
                            .setToken(broker.token("fraud", List.of("group:support")))
                            .build());
            client.read(FrameType.REFRESHED);
            Left left = client.left();
            assertThat(left.getMember()).isEqualTo(chat);
            assertThat(left.getReason()).isEqualTo(Reason.REASON_FORBIDDEN);
            assertThat(client.refusal(
                            FrameType.FETCH, Fetch.newBuilder().setMember(chat).build()))
                    .isEqualTo(ErrorCode.NOT_A_MEMBER.code());
            assertThat(client.fetch(support, 9, 20).items()).isEmpty();
            GroupClient other = new GroupClient(broker, "fraud");
            assertThat(other.fetch(other.share("fraud"), 9).texts()).containsExactly("1");
        }
    }

    @Test
    void aChannelThatIsSwitchedOffHasNoMembersAndItsGroupsStay() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            publish(broker, "chat:a", "1");
            client.fetch(member, 9);
            broker.broker().kill("chat", "maintenance", false);
            Left left = client.left();
            assertThat(left.getMember()).isEqualTo(member);
            assertThat(left.getReason()).isEqualTo(Reason.REASON_NOT_ENABLED);
            broker.broker().lift("chat");
            assertThat(client.fetch(client.share("fraud"), 9).texts()).containsExactly("1");
        }
    }

    @Test
    void aBrokerThatDrainsTellsMembersBeforeItCloses() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            publish(broker, "chat:a", "1");
            client.fetch(member, 9);
            client.sendFetch(member, 9, 60_000);
            broker.broker().drain(1, List.of());
            assertThat(client.fetched().items()).isEmpty();
            assertThat(client.left().getReason()).isEqualTo(Reason.REASON_NOT_ENABLED);
            assertThat(client.raw().readClose()).isEqualTo(CloseCode.GOING_AWAY.code());
        }
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            assertThat(client.fetch(client.share("fraud"), 9).texts()).containsExactly("1");
        }
    }

    @Test
    void aBrokerThatEndsTellsMembers() throws Exception {
        GroupClient client;
        try (BrokerUnderTest broker = start()) {
            client = new GroupClient(broker, "fraud");
            client.share("fraud");
            broker.broker().close();
            assertThat(client.left().getReason()).isEqualTo(Reason.REASON_NOT_ENABLED);
            assertThat(client.raw().readClose()).isEqualTo(CloseCode.GOING_AWAY.code());
        }
    }

    @Test
    void anOperatorSeesGroupsAndDeletesThemAndTheLastOneEndsTheChannelsLog() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            long observer =
                    client.join(joining("chat", "risk", Mode.MODE_OBSERVER)).getMember();
            publish(broker, "chat:a", "1", "2");
            client.fetch(member, 1);
            await().until(() -> groupOf(broker, "risk").lag() == 2);
            GroupStats fraud = groupOf(broker, "fraud");
            assertThat(List.of(fraud.org(), fraud.channel(), fraud.mode())).containsExactly("acme", "chat", "shared");
            assertThat(fraud.members()).isEqualTo(1);
            assertThat(fraud.lag()).isEqualTo(2);
            assertThat(fraud.inFlight()).isEqualTo(1);
            assertThat(fraud.oldestAgeUs()).isPositive();
            assertThat(groupOf(broker, "risk").oldestAgeUs()).isPositive();
            broker.broker().deleteGroup("acme", "chat", "fraud");
            Left left = client.left();
            assertThat(left.getMember()).isEqualTo(member);
            assertThat(left.getReason()).isEqualTo(Reason.REASON_DELETED);
            assertThat(client.fetchAll(observer, 2)).hasSize(2);
            broker.broker().deleteGroup("acme", "chat", "risk");
            assertThat(client.left().getMember()).isEqualTo(observer);
            assertThat(broker.broker().groups()).isEmpty();
            assertThatThrownBy(() -> broker.broker().deleteGroup("acme", "chat", "risk"))
                    .hasMessage("there is no such group");
            publish(broker, "chat:a", "while nobody reads");
            Joined anew = client.join(joining("chat", "fraud", Mode.MODE_SHARED).setStart(Start.START_FIRST));
            assertThat(anew.getExisted()).isFalse();
            publish(broker, "chat:a", "4");
            assertThat(client.fetch(anew.getMember(), 9).texts()).containsExactly("4");
        }
    }

    @Test
    void aGroupThatCouldNotBeMadeLeavesNothingBehind() throws Exception {
        try (BrokerUnderTest broker = start()) {
            GroupClient client = new GroupClient(broker, "fraud");
            engine.fail(EngineFault.FULL, false);
            assertThat(client.refusal(
                            FrameType.JOIN,
                            joining("chat", "fraud", Mode.MODE_SHARED).build()))
                    .isEqualTo(ErrorCode.STORE_FULL.code());
            engine.fail(EngineFault.FAILED, true);
            assertThat(client.refusal(
                            FrameType.JOIN,
                            joining("chat", "fraud", Mode.MODE_SHARED).build()))
                    .isEqualTo(ErrorCode.UNAVAILABLE.code());
            engine.fail(null, false);
            assertThat(client.join(joining("chat", "fraud", Mode.MODE_SHARED)).getExisted())
                    .isFalse();
        }
        engine.fail(null, false);
        try (BrokerUnderTest broker = start()) {
            await().until(() -> broker.broker().groups().size() == 1);
            broker.broker().deleteGroup("acme", "chat", "fraud");
            assertThat(broker.broker().groups()).isEmpty();
        }
    }

    @Test
    void moreThanFitsInMemoryIsReadAgainWhenItIsItsTurn() throws Exception {
        GroupConfig defaults = GroupConfig.defaults();
        GroupConfig small =
                new GroupConfig(3, 3, 4, 20, 1 << 20, 60_000, 10, 100, 2_000, 4_096, defaults.waitingLimitCount());
        try (BrokerUnderTest broker = start(small)) {
            GroupClient client = new GroupClient(broker, "fraud");
            long member = client.share("fraud");
            RawClient alice = broker.client("alice");
            int[] handles = new int[5];
            for (int i = 0; i < 5; i++) {
                handles[i] = alice.open("chat:t" + i).getHandle();
            }
            for (int i = 0; i < 300; i++) {
                alice.publish(handles[i % 5], i, "%d-%s".formatted(i, "x".repeat(200)));
                alice.readPublished();
            }
            Map<String, Integer> last = new HashMap<>();
            int seen = 0;
            int released = 0;
            while (seen < 300) {
                for (Item item : client.fetch(member, 7).items()) {
                    int number = Integer.parseInt(item.event().text().split("-")[0]);
                    if (item.attempt() == 1 && number % 11 == 0) {
                        client.release(member, item.position(), item.position());
                        released++;
                    } else if (client.settle(member, item.position(), item.position()) == 1) {
                        Integer before = last.put(item.topic(), number);
                        assertThat(number)
                                .as("in the order of its topic")
                                .isEqualTo(before == null ? number % 5 : before + 5);
                        seen++;
                    }
                }
            }
            assertThat(released).isPositive();
            assertThat(groupOf(broker, "fraud").lag()).isZero();
        }
    }
}
