package hermod.acceptance;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/** A TCP relay between a client and a broker that a test can cut: every connection through it is reset. */
final class CuttingProxy implements AutoCloseable {
    private static final int CHUNK_BYTES = 4_096;

    private final ServerSocket listener;
    private volatile String target;
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private final AtomicBoolean isRefusing = new AtomicBoolean();
    private boolean isStalled; // guarded by this

    CuttingProxy(String target) throws IOException {
        this.target = target;
        listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        daemon(this::accept);
    }

    String address() {
        return "127.0.0.1:" + listener.getLocalPort();
    }

    /** Where connections lead from now on. @param hostPort such as {@code 127.0.0.1:7400}. */
    void target(String hostPort) {
        target = hostPort;
    }

    /** Resets every open connection, so that bytes in flight are lost both ways. */
    void cut() throws IOException {
        for (Socket socket : open) {
            if (open.remove(socket) && !socket.isClosed()) {
                reset(socket);
            }
        }
    }

    private static void reset(Socket socket) throws IOException {
        try {
            socket.setSoLinger(true, 0);
        } catch (SocketException closedMeanwhile) {
            // Its other end was first.
        }
        socket.close();
    }

    /** While refusing, new connections are reset at once. */
    void refuse(boolean refuse) {
        isRefusing.set(refuse);
    }

    /** While stalled, what one side sends is not read, and connections stay. */
    synchronized void stall(boolean stall) {
        isStalled = stall;
        notifyAll();
    }

    private synchronized void awaitFlow() throws IOException {
        try {
            while (isStalled) {
                wait();
            }
        } catch (InterruptedException over) {
            throw new IOException(over);
        }
    }

    private void accept() {
        try {
            while (true) {
                Socket client = listener.accept();
                if (isRefusing.get()) {
                    client.setSoLinger(true, 0);
                    client.close();
                    continue;
                }
                Socket broker = toTarget();
                if (broker == null) {
                    reset(client);
                    continue;
                }
                client.setTcpNoDelay(true);
                broker.setTcpNoDelay(true);
                open.add(client);
                open.add(broker);
                daemon(() -> pump(client, broker));
                daemon(() -> pump(broker, client));
            }
        } catch (IOException closed) {
            // The test is over.
        }
    }

    /** @return null where nobody listens there. */
    private @Nullable Socket toTarget() {
        String hostPort = target;
        int colon = hostPort.lastIndexOf(':');
        try {
            return new Socket(hostPort.substring(0, colon), Integer.parseInt(hostPort.substring(colon + 1)));
        } catch (IOException refused) {
            return null;
        }
    }

    private void pump(Socket from, Socket to) {
        try (from;
                to) {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            byte[] bytes = new byte[CHUNK_BYTES];
            for (int read = in.read(bytes); read >= 0; read = in.read(bytes)) {
                awaitFlow();
                out.write(bytes, 0, read);
            }
        } catch (IOException cut) {
            // As asked for, or an end's own.
        } finally {
            open.remove(from);
            open.remove(to);
        }
    }

    private static void daemon(Runnable task) {
        Thread thread = new Thread(task, "cutting-proxy");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() throws IOException {
        listener.close();
        stall(false);
        cut();
    }
}
