package hermod.bench;

import java.util.Arrays;
import java.util.List;

/** A process that behaves at its edges as a broker does, or badly in the way its last argument says. Run by {@link BrokerProcessTest}. */
final class StandInBroker {
    private StandInBroker() {}

    public static void main(String[] arguments) throws InterruptedException {
        List<String> given = Arrays.asList(arguments);
        if (given.get(0).equals("token")) {
            System.out.println("token-for-" + given.get(given.indexOf("--user") + 1) + "-with-"
                    + given.stream().filter("--right"::equals).count() + "-rights");
            return;
        }
        String data = given.get(given.indexOf("--data") + 1);
        String manner = given.get(given.size() - 1);
        switch (manner) {
            case "fail" -> {
                for (int i = 0; i < 1_000; i++) {
                    System.err.println("line " + i);
                }
                System.exit(7);
            }
            case "silent" -> Thread.sleep(Long.MAX_VALUE);
            case "stubborn" -> Runtime.getRuntime().addShutdownHook(new Thread(StandInBroker::linger));
            default -> System.err.println("a warning");
        }
        System.out.println("something else first");
        System.out.println("ready tcp=127.0.0.1:1 ws=127.0.0.1:2 admin=127.0.0.1:3 data=" + data);
        Thread.sleep(Long.MAX_VALUE);
    }

    private static void linger() {
        while (true) {
            java.util.concurrent.locks.LockSupport.park();
        }
    }
}
