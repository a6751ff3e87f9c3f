package hermod.bench.micro;

import hermod.broker.outbox.Outbox;

/** Owner of an outbox that never fills. */
final class IndifferentOwner implements Outbox.Owner {
    @Override
    public void onOutboxFull() {
        throw new IllegalStateException("the outbox is full: the sink does not take what the benchmark offers");
    }

    @Override
    public void onLagged() {}
}
