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

/** A TCP relay between a client and a broker that a test can cut: every connection through it is reset. */
final class CuttingProxy implements AutoCloseable {
    private static final int CHUNK_BYTES = 4_096;

    private final ServerSocket listener;
    private final String host;
    private final int port;
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private final AtomicBoolean isRefusing = new AtomicBoolean();

    CuttingProxy(String target) throws IOException {
        int colon = target.lastIndexOf(':');
        host = target.substring(0, colon);
        port = Integer.parseInt(target.substring(colon + 1));
        listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        daemon(this::accept);
    }

    String address() {
        return "127.0.0.1:" + listener.getLocalPort();
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

    private void accept() {
        try {
            while (true) {
                Socket client = listener.accept();
                if (isRefusing.get()) {
                    client.setSoLinger(true, 0);
                    client.close();
                    continue;
                }
                Socket broker = new Socket(host, port);
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

    private void pump(Socket from, Socket to) {
        try (from;
                to) {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            byte[] bytes = new byte[CHUNK_BYTES];
            for (int read = in.read(bytes); read >= 0; read = in.read(bytes)) {
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
        cut();
    }
}
