package hermod.bench.priority;

import hermod.bench.wire.HermodLink;
import hermod.bench.wire.Link;
import hermod.bench.wire.Topics;
import java.io.IOException;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/**
 * A Hermod broker.
 *
 * @param tcp HOST:PORT of its clients.
 * @param token with the right to publish and subscribe, and to URGENT.
 * @param stop how it is stopped.
 */
record HermodContender(
        String name, String what, String tcp, @Nullable String admin, String token, Runnable stop)
        implements Contender {
    @Override
    public Link subscriber(Topics topics, String device, int creditWindowBytes, int receiveBufferBytes)
            throws IOException {
        return Link.opened(
                new HermodLink(address(), receiveBufferBytes, topics, true, token, device, creditWindowBytes));
    }

    @Override
    public Link publisher(Topics topics, String device) throws IOException {
        return Link.opened(new HermodLink(address(), 0, topics, false, token, device, 0));
    }

    private InetSocketAddress address() {
        int colon = tcp.lastIndexOf(':');
        return new InetSocketAddress(tcp.substring(0, colon), Integer.parseInt(tcp.substring(colon + 1)));
    }

    @Override
    public void close() {
        stop.run();
    }
}
