package hermod.broker.admin;

import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "doctor",
        mixinStandardHelpOptions = true,
        description = "Check whether a broker can run here: Java, native transport, ports, data directory.")
final class DoctorCommand implements Callable<Integer> {
    private static final int JAVA_MIN = 17;
    private static final int OPEN_FILES_WANTED = 16_384;

    @Option(names = "--port", defaultValue = "7400", description = "TCP port (default: ${DEFAULT-VALUE}).")
    private int port;

    @Option(names = "--ws-port", defaultValue = "7401", description = "WebSocket port (default: ${DEFAULT-VALUE}).")
    private int wsPort;

    @Option(names = "--admin-port", defaultValue = "7402", description = "Admin port (default: ${DEFAULT-VALUE}).")
    private int adminPort;

    @Option(names = "--data", paramLabel = "DIR", description = "Data directory (default: ~/.hermod).")
    private @Nullable Path dataDir;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    private boolean failed;

    @Override
    public Integer call() {
        java();
        epoll();
        ioUring();
        openFiles();
        boolean running = admin();
        port("TCP", port, running);
        port("WebSocket", wsPort, running);
        if (!running) {
            port("admin", adminPort, false);
        }
        data(dataDir == null ? AdminCli.defaultDataDir() : dataDir);
        return failed ? ExitCode.FAILED : ExitCode.OK;
    }

    private void java() {
        int version = Runtime.version().feature();
        say(version >= JAVA_MIN ? "ok" : "FAIL", "Java " + Runtime.version() + ", at least " + JAVA_MIN + " is needed");
        boolean open = Object.class.getModule().isOpen("jdk.internal.misc", DoctorCommand.class.getModule());
        say(
                open ? "ok" : "FAIL",
                open
                        ? "jdk.internal.misc is open for the rings"
                        : "jdk.internal.misc is closed: start Java with --add-opens java.base/jdk.internal.misc=ALL-UNNAMED, as bin/hermod does");
        say("ok", Runtime.getRuntime().availableProcessors() + " cores");
    }

    /** By reflection: channels are transport's, and the native library must really load. */
    private void epoll() {
        try {
            Class<?> epoll = Class.forName("io.netty.channel.epoll.Epoll");
            boolean available =
                    Boolean.TRUE.equals(epoll.getMethod("isAvailable").invoke(null));
            say(
                    available ? "ok" : "warn",
                    available
                            ? "native transport epoll"
                            : "no native transport on this machine; the slower one of the JDK is used");
        } catch (ReflectiveOperationException | LinkageError missing) {
            say("warn", "no native transport on this machine; the slower one of the JDK is used");
        }
    }

    private void ioUring() {
        try {
            Class<?> ioUring = Class.forName("io.netty.channel.uring.IoUring");
            boolean available =
                    Boolean.TRUE.equals(ioUring.getMethod("isAvailable").invoke(null));
            say("ok", "io_uring can" + (available ? "" : "not") + " be chosen with transport.io");
        } catch (ReflectiveOperationException | LinkageError missing) {
            say("ok", "io_uring cannot be chosen with transport.io");
        }
    }

    private void openFiles() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/limits"))) {
                if (line.startsWith("Max open files")) {
                    String soft =
                            line.substring("Max open files".length()).trim().split("\\s+")[0];
                    boolean enough = soft.equals("unlimited") || Long.parseLong(soft) >= OPEN_FILES_WANTED;
                    say(
                            enough ? "ok" : "warn",
                            "open files limited to " + soft
                                    + (enough
                                            ? ""
                                            : ": 15,000 connections need " + OPEN_FILES_WANTED + " (ulimit -n)"));
                }
            }
        } catch (IOException | NumberFormatException unknown) {
            say("warn", "the limit of open files is not known here");
        }
    }

    private boolean admin() {
        HostPort address = new HostPort("127.0.0.1", adminPort);
        try {
            new AdminClient(address).get("/health");
            say("ok", "a broker is running, its admin port " + address + " answers");
            return true;
        } catch (CliException none) {
            say("ok", "no broker answers at " + address + " yet");
            return false;
        }
    }

    private void port(String name, int number, boolean running) {
        try (ServerSocket probe = new ServerSocket()) {
            probe.setReuseAddress(true);
            probe.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), number));
            say("ok", name + " port " + number + " is free");
        } catch (IOException | IllegalArgumentException taken) {
            say(
                    running ? "ok" : "FAIL",
                    name + " port " + number
                            + (running ? " is in use, as it should be" : " can't be had: " + taken.getMessage()));
        }
    }

    private void data(Path dir) {
        Path nearest = dir.toAbsolutePath();
        while (nearest.getParent() != null && !Files.exists(nearest, LinkOption.NOFOLLOW_LINKS)) {
            nearest = nearest.getParent();
        }
        boolean writable = Files.isDirectory(nearest) && Files.isWritable(nearest);
        say(
                writable ? "ok" : "FAIL",
                "data directory " + dir
                        + (writable
                                ? nearest.equals(dir.toAbsolutePath()) ? " is writable" : " can be made"
                                : " can't be written"));
        try {
            long freeMiB = Files.getFileStore(nearest).getUsableSpace() >> 20;
            say(freeMiB >= 512 ? "ok" : "warn", freeMiB + " MiB free there");
        } catch (IOException unknown) {
            say("warn", "the free space there is not known");
        }
    }

    private void say(String mark, String sentence) {
        failed |= mark.equals("FAIL");
        PrintWriter out = spec.commandLine().getOut();
        out.printf("%-5s %s%n", mark, sentence);
        out.flush();
    }
}
