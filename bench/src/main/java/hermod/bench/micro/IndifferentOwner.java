package hermod.bench.micro;

import hermod.broker.outbox.Feed;
import hermod.broker.outbox.Outbox;

/** Owner of an outbox that never fills. */
final class IndifferentOwner implements Outbox.Owner {
    @Override
    public void onRoom(Feed feed, int bytes) {
        throw new IllegalStateException("the outbox was full: the sink does not take what the benchmark offers");
    }

    @Override
    public boolean knowsGaps() {
        return false;
    }

    @Override
    public void onLoss() {}
}
