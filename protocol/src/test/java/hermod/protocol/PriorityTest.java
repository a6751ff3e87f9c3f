package hermod.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PriorityTest {
    @Test
    void aNameIsReadInAnyCase() {
        assertThat(Priority.parse("LOW")).contains(Priority.LOW);
        assertThat(Priority.parse("normal")).contains(Priority.NORMAL);
        assertThat(Priority.parse("High")).contains(Priority.HIGH);
        assertThat(Priority.parse("urgent")).contains(Priority.URGENT);
    }

    @Test
    void maxIsAnotherWordForUrgent() {
        assertThat(Priority.parse("max")).contains(Priority.URGENT);
    }

    @Test
    void anyOtherWordIsNoPriority() {
        for (String word : new String[] {"", " low", "lowest", "1", "maximum"}) {
            assertThat(Priority.parse(word)).as(word).isEmpty();
        }
    }

    @Test
    void onlyTheLowestTwoBitsOfACodeCount() {
        for (Priority priority : Priority.values()) {
            assertThat(Priority.ofCode(priority.code())).isEqualTo(priority);
            assertThat(Priority.ofCode(0xfffffffc | priority.code())).isEqualTo(priority);
        }
    }
}
