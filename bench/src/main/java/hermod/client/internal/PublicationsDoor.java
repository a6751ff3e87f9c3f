package hermod.client.internal;

import hermod.client.Platform;
import hermod.client.ReconnectPolicy;
import java.util.List;
import java.util.Map;

/** Lets the bench's stress tests at what {@link Publications} shares between publishing threads and the loop. It holds nothing of its own. */
public final class PublicationsDoor {
    private static final OutgoingEntry ENTRY = new OutgoingEntry(1, 0, 0, true, null, new byte[0], new byte[8], 1);
    private static final Settings SETTINGS = new Settings(
            List.of(),
            null,
            null,
            "",
            Platform.CLI,
            "",
            Map.of(),
            0,
            0,
            ReconnectPolicy.defaults(),
            0,
            () -> 0,
            1,
            false,
            8,
            1_024,
            1,
            1,
            0,
            1,
            0,
            null,
            any -> {});

    private final Publications publications;

    /** @param wakeUp called on the publishing thread. */
    public PublicationsDoor(Runnable wakeUp) {
        Completions completions = new Completions(Runnable::run);
        publications = new Publications(SETTINGS, completions, new ServiceNews(completions), wakeUp);
    }

    /** Any thread. */
    public void publish() {
        publications.publish("chat:room", ENTRY);
    }

    /** What the loop does when it is woken; as the loop only. @return the number of publications that came in. */
    public int takeIncoming() {
        int taken = 0;
        while (publications.pollIncoming() != null) {
            taken++;
        }
        return taken;
    }
}
