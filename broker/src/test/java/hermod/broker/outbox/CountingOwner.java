package hermod.broker.outbox;

/** Counts what it is told. */
public final class CountingOwner implements Outbox.Owner {
    public int fullCount;
    public int laggedCount;

    @Override
    public void onOutboxFull() {
        fullCount++;
    }

    @Override
    public void onLagged() {
        laggedCount++;
    }
}
