package hermod.broker.outbox;

import java.util.ArrayList;
import java.util.List;

/** Remembers what it is asked and told. */
public final class CountingOwner implements Outbox.Owner {
    public final List<Feed> asked = new ArrayList<>();
    public boolean knowsGaps = true;
    public int lossCount;

    @Override
    public void onRoom(Feed feed, int bytes) {
        asked.add(feed);
    }

    @Override
    public boolean knowsGaps() {
        return knowsGaps;
    }

    @Override
    public void onLoss() {
        lossCount++;
    }
}
