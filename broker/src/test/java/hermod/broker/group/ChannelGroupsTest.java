package hermod.broker.group;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ChannelGroupsTest {
    private final ChannelGroups channel = new ChannelGroups("org", "chat");

    @Test
    void turnsComeOneAfterTheOther() {
        List<Integer> begun = new ArrayList<>();
        for (int i = 1; i <= 3; i++) {
            int turn = i;
            channel.inTurn(() -> begun.add(turn));
        }
        assertThat(begun).containsExactly(1);
        channel.endTurn();
        assertThat(begun).containsExactly(1, 2);
        channel.endTurn();
        channel.endTurn();
        assertThat(begun).containsExactly(1, 2, 3);
        assertThat(channel.isBusy()).isFalse();
    }

    @Test
    void anyNumberOfTurnsMayEndAtOnceAndOnlyTheLastOneFindsTheChannelIdle() {
        int count = 100_000;
        List<Boolean> busy = new ArrayList<>();
        channel.inTurn(() -> {});
        for (int i = 0; i < count; i++) {
            channel.inTurn(() -> {
                channel.endTurn();
                busy.add(channel.isBusy());
            });
        }
        channel.endTurn();
        assertThat(busy).hasSize(count);
        assertThat(busy.subList(0, count - 1)).containsOnly(true);
        assertThat(busy.get(count - 1)).isFalse();
    }
}
