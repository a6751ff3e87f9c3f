package hermod.bench.trace;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class CastTest {
    private static TraceEvent event(String room, String user) {
        return new TraceEvent(0, room, user, "x");
    }

    private final List<TraceEvent> events =
            List.of(event("A", "ann"), event("B", "bob"), event("A", "cid"), event("C", "ann"), event("B", "dan"));

    @Test
    void theFirstUsersGetAClientEach() {
        Cast cast = new Cast(events, 2);

        assertThat(cast.clientOf(events.get(0))).isEqualTo(0);
        assertThat(cast.clientOf(events.get(1))).isEqualTo(1);
    }

    @Test
    void everyLaterUserHasOneAndTheSameClient() {
        Cast cast = new Cast(events, 2);

        assertThat(cast.userCount()).isEqualTo(4);
        assertThat(cast.clientOf(event("A", "cid"))).isBetween(0, 1).isEqualTo(cast.clientOf(event("Z", "cid")));
    }

    @Test
    void aClientSubscribesToTheRoomsItsUsersPostIn() {
        Cast cast = new Cast(events, 4);

        assertThat(cast.rooms()).containsExactly("A", "B", "C");
        assertThat(cast.topicsOf(0).stream()).containsExactly(0, 2);
        assertThat(cast.topicsOf(2).stream()).containsExactly(0);
    }
}
