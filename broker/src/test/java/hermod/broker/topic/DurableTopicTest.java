package hermod.broker.topic;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("SA-7")
class DurableTopicTest {
    private final DurableTopic topic = new DurableTopic(1, true, 1, 1, 0, 0, null, null);

    @Test
    void howeverManyAreNotStoredNoneIsEverTakenForStored() {
        for (long offset = 1; offset <= 10_000; offset++) {
            topic.noteUnstored(offset);
        }
        topic.forgetUnstored(5);
        assertThat(topic.isUnstored(5)).isFalse();
        assertThat(topic.isUnstored(10_001)).isFalse();
        for (long offset = 6; offset <= 10_000; offset++) {
            assertThat(topic.isUnstored(offset)).as("offset %d", offset).isTrue();
        }
    }
}
