package hermod.client.internal;

import io.netty.bootstrap.Bootstrap;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.socket.nio.NioSocketChannel;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** Opens sockets to one server after the other: those the broker named last first, then those of the configuration. Loop thread only. */
final class Dialer {
    private static final WriteBufferWaterMark WRITE_BUFFER = new WriteBufferWaterMark(128 * 1024, 256 * 1024);

    private final List<ServerAddress> configured;
    private final EventLoop loop;
    private final Executor lookups;
    private final long timeoutNs;
    private List<ServerAddress> advised = List.of();
    private int turn;

    Dialer(List<ServerAddress> configured, EventLoop loop, Executor lookups, long timeoutNs) {
        this.configured = configured;
        this.loop = loop;
        this.lookups = lookups;
        this.timeoutNs = timeoutNs;
    }

    /** Where the broker wants the next connections. What can't be read is left out; nothing readable changes nothing. */
    void advise(List<String> endpoints) {
        List<ServerAddress> readable =
                endpoints.stream().flatMap(Dialer::parsed).toList();
        if (!readable.isEmpty()) {
            advised = readable;
            turn = 0;
        }
    }

    private static Stream<ServerAddress> parsed(String endpoint) {
        try {
            return Stream.of(ServerAddress.parse(endpoint));
        } catch (IllegalArgumentException unreadable) {
            return Stream.empty();
        }
    }

    /** @param onFailure called on the loop, where no socket was opened. */
    void dial(Connection connection, Consumer<Throwable> onFailure) {
        ServerAddress server = next();
        CompletableFuture.supplyAsync(() -> new InetSocketAddress(server.host(), server.port()), lookups)
                .whenCompleteAsync(
                        (address, failure) -> {
                            if (failure != null) {
                                onFailure.accept(failure);
                            } else if (address.isUnresolved()) {
                                onFailure.accept(new UnknownHostException(server.host()));
                            } else {
                                open(address, connection, onFailure);
                            }
                        },
                        loop);
    }

    private ServerAddress next() {
        int at = turn++;
        if (at < advised.size()) {
            return advised.get(at);
        }
        advised = List.of();
        return configured.get(Math.floorMod(at, configured.size()));
    }

    private void open(InetSocketAddress address, Connection connection, Consumer<Throwable> onFailure) {
        new Bootstrap()
                .group(loop)
                .channel(NioSocketChannel.class)
                .option(ChannelOption.TCP_NODELAY, true)
                .option(ChannelOption.SO_KEEPALIVE, true)
                .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, (int) TimeUnit.NANOSECONDS.toMillis(timeoutNs))
                .option(ChannelOption.WRITE_BUFFER_WATER_MARK, WRITE_BUFFER)
                .handler(connection)
                .connect(address)
                .addListener(opened -> {
                    if (opened.cause() != null) {
                        onFailure.accept(opened.cause());
                    }
                });
    }
}
