package hermod.bench.durable;

import hermod.bench.wire.HermodLink;
import hermod.bench.wire.Link;
import hermod.bench.wire.Topics;
import hermod.protocol.Priority;
import java.io.IOException;
import java.net.InetSocketAddress;

/**
 * A Hermod broker that clients can connect to. Immutable.
 *
 * @param tcp HOST:PORT.
 * @param token with what {@link BrokerOptions#RIGHTS} name.
 */
record Target(String tcp, String token) {
    /** More than is ever on its way to one of our subscribers. */
    private static final int CREDIT_BYTES = 4 * 1024 * 1024;

    /** An open connection that can publish to a topic. */
    Link publisher(Priority lane, String topic, String device) throws IOException {
        return Link.opened(new HermodLink(address(), 0, Topics.of(lane, topic), false, token, device, 0));
    }

    /** An open connection that is subscribed to a topic. */
    Link subscriber(Priority lane, String topic, String device) throws IOException {
        return Link.opened(new HermodLink(address(), 0, Topics.of(lane, topic), true, token, device, CREDIT_BYTES));
    }

    InetSocketAddress address() {
        int colon = tcp.lastIndexOf(':');
        return new InetSocketAddress(tcp.substring(0, colon), Integer.parseInt(tcp.substring(colon + 1)));
    }
}
