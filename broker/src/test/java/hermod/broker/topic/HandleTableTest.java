package hermod.broker.topic;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class HandleTableTest {
    private final HandleTable handles = new HandleTable();

    @Test
    void aHandleNamesItsTopicUntilTheTopicIsGone() {
        Topic topic = TopicFixture.topic(HandleTable.handle(9_000, 1));
        handles.put(topic);
        assertThat(handles.of(topic.handle())).isSameAs(topic);
        handles.remove(topic);
        assertThat(handles.of(topic.handle())).isNull();
    }

    @Test
    void aHandleOfATopicThatIsGoneDoesNotNameTheNextOneInItsPlace() {
        Topic gone = TopicFixture.topic(HandleTable.handle(7, 1));
        Topic next = TopicFixture.topic(HandleTable.handle(7, HandleTable.nextGeneration(1)));
        handles.put(gone);
        handles.remove(gone);
        handles.put(next);
        assertThat(handles.of(gone.handle())).isNull();
        assertThat(handles.of(next.handle())).isSameAs(next);
    }

    @Test
    void generationsGoRoundWithoutZeroSoThatNoHandleIsZero() {
        int generation = 0;
        for (int i = 0; i < 3_000; i++) {
            generation = HandleTable.nextGeneration(generation);
            assertThat(generation).isBetween(1, 1_023);
        }
        assertThat(HandleTable.nextGeneration(1_023)).isEqualTo(1);
        assertThat(HandleTable.handle(0, 1)).isNotZero();
    }

    @Test
    void indexAndGenerationAreReadBackAtBothEnds() {
        int last = HandleTable.handle(HandleTable.capacity(), 1_023);
        assertThat(HandleTable.index(last)).isEqualTo(HandleTable.capacity());
        assertThat(HandleTable.generation(last)).isEqualTo(1_023);
        assertThat(handles.of(last)).isNull();
        assertThat(handles.of(0)).isNull();
    }
}
