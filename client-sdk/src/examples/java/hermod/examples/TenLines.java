package hermod.examples;

import hermod.client.HermodClient;

/** Connects, listens, publishes, closes. The token comes from HERMOD_TOKEN; a broker in development mode needs none. */
public final class TenLines {
    public static void main(String[] args) {
        HermodClient.Builder builder = HermodClient.builder().server("localhost:7400");
        try (HermodClient client = builder.environment(System.getenv()).build()) {
            client.connect().join();
            client.subscribe("chat:room_7", event -> System.out.println(event.source() + ": " + event.text()))
                    .join();
            client.publish("chat:room_7", "hello").join();
        }
    }
}
