package hermod.client.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("EV-6")
class PublicationRingTest {
    private static final int LAST_ID = 0x7fff_ffff;

    private static Publication publication(long sequence) {
        OutgoingEntry entry = new OutgoingEntry(0, 0, 0, true, null, new byte[0], new byte[10], 0);
        Publication publication = new Publication("chat:room_7", entry, null, 0);
        publication.sequence = sequence;
        return publication;
    }

    private static void fill(PublicationRing ring, int count) {
        for (int i = 0; i < count; i++) {
            ring.add(publication(i));
        }
    }

    @Test
    void eachIsFoundByItsIdAndOnlyOnce() {
        PublicationRing ring = new PublicationRing(10, 5);
        fill(ring, 3);

        assertThat(ring.take(4)).isNull();
        assertThat(ring.take(6).sequence).isEqualTo(1);
        assertThat(ring.take(6)).isNull();
        assertThat(ring.take(8)).isNull();
        assertThat(ring.take(-1)).isNull();
        assertThat(ring.count()).isEqualTo(2);
    }

    @Test
    void theHeadMovesOverWhatWasAnsweredOutOfTurn() {
        PublicationRing ring = new PublicationRing(4, 1);
        fill(ring, 4);
        ring.take(2);
        ring.take(3);
        assertThat(ring.oldestId()).isEqualTo(1);
        ring.take(1);
        assertThat(ring.oldestId()).isEqualTo(4);
        assertThat(ring.oldest().sequence).isEqualTo(3);
    }

    @Test
    void aFullRingHasNoRoomUntilItsOldestIsAnswered() {
        PublicationRing ring = new PublicationRing(4, 1);
        fill(ring, 8);
        assertThat(ring.room()).isZero();
        assertThatThrownBy(() -> ring.add(publication(9))).hasMessageContaining("capacity=8");
        ring.take(2);
        assertThat(ring.room()).isZero();
        ring.take(1);
        assertThat(ring.room()).isEqualTo(2);
    }

    @Test
    void idsWrapAroundWithinThirtyOneBits() {
        PublicationRing ring = new PublicationRing(4, LAST_ID - 1);
        assertThat(ring.room()).isEqualTo(2);
        fill(ring, 2);
        assertThat(ring.nextId()).isZero();
        assertThat(ring.room()).isEqualTo(6);
        fill(ring, 2);

        assertThat(ring.take(LAST_ID - 1).sequence).isZero();
        assertThat(ring.take(LAST_ID).sequence).isEqualTo(1);
        assertThat(ring.take(0).sequence).isZero();
        assertThat(ring.take(1).sequence).isEqualTo(1);
        assertThat(ring.count()).isZero();
        assertThat(ring.bytes()).isZero();
    }

    @Test
    void allAreTakenBackInOrder() {
        PublicationRing ring = new PublicationRing(8, 1);
        fill(ring, 6);
        ring.take(3);

        List<Publication> all = ring.takeAll();

        assertThat(all.stream().map(each -> each.sequence)).containsExactly(0L, 1L, 3L, 4L, 5L);
        assertThat(ring.count()).isZero();
        assertThat(ring.bytes()).isZero();
        assertThat(ring.room()).isEqualTo(16);
    }

    @Test
    void answersInAnyOrderFindTheirPublication() {
        long seed = 11;
        Random random = new Random(seed);
        PublicationRing ring = new PublicationRing(64, LAST_ID - 500);
        List<Integer> waiting = new ArrayList<>();
        long next = 0;
        for (int turn = 0; turn < 2_000; turn++) {
            for (int i = random.nextInt(20); i > 0 && ring.count() < 64 && ring.room() > 0; i--) {
                waiting.add(ring.nextId());
                Publication publication = publication(next++);
                publication.epoch = ring.nextId();
                ring.add(publication);
            }
            Collections.shuffle(waiting, random);
            for (int i = random.nextInt(20); i > 0 && !waiting.isEmpty(); i--) {
                int id = waiting.remove(waiting.size() - 1);
                assertThat(ring.take(id).epoch).as("seed=%d", seed).isEqualTo(id);
            }
            assertThat(ring.count()).isEqualTo(waiting.size());
        }
    }
}
