package hermod.client.internal;

/** Letters that were handled and not taken off the {@link DeliveryBudget} yet. One thread at a time. */
final class HandledTally {
    int freeLetters;
    long freeBytes;
    int creditedLetters;
    long creditBytes;

    void add(Letter letter) {
        int credit = letter.creditBytes();
        if (credit == 0) {
            freeLetters++;
            freeBytes += letter.bytes();
        } else {
            creditedLetters++;
            creditBytes += credit;
        }
    }

    int letters() {
        return freeLetters + creditedLetters;
    }

    void clear() {
        freeLetters = 0;
        freeBytes = 0;
        creditedLetters = 0;
        creditBytes = 0;
    }
}
