package hermod.examples;

import hermod.client.HermodClient;

/** Connects, listens, publishes, closes. */
public final class TenLines {
    public static void main(String[] args) {
        try (HermodClient client =
                HermodClient.builder().server("localhost:7400").build()) {
            client.connect().join();
            client.subscribe("chat:room_7", event -> System.out.println(event.source() + ": " + event.text()))
                    .join();
            client.publish("chat:room_7", "hello").join();
        }
    }
}
