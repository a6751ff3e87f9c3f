package hermod.client.internal;

import static org.assertj.core.api.Assertions.assertThat;

import com.github.f4b6a3.ulid.Ulid;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("EV-1")
class EventIdsTest {
    @Test
    void theDerivedIdHasTimeEpochAndOffsetInThisOrder() {
        String id = EventIds.derived(0x0123_4567_89abL * 1_000 + 999, 0xdead_beef, 0x1234_5678_9abcL);

        assertThat(Ulid.from(id).toBytes())
                .containsExactly(
                        0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xde, 0xad, 0xbe, 0xef, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc);
    }

    @Test
    void idsOfAProcessRise() {
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 10_000; i++) {
            ids.add(EventIds.text(EventIds.next()));
        }
        List<String> sorted = new ArrayList<>(ids);
        Collections.sort(sorted);
        assertThat(ids).isEqualTo(sorted).doesNotHaveDuplicates();
    }
}
