package hermod.broker.transport;

import hermod.broker.session.Sessions;
import hermod.protocol.CloseCode;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.EventLoop;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.websocketx.WebSocketDecoderConfig;
import io.netty.handler.codec.http.websocketx.WebSocketServerProtocolConfig;
import io.netty.handler.codec.http.websocketx.WebSocketServerProtocolHandler;
import java.util.Map;

/** Adds to each accepted socket its handlers, in the order bytes meet them. Any thread. */
final class ConnectionPipeline extends ChannelInitializer<Channel> {
    /** A shard's part in its connections. */
    record ShardParts(Sessions sessions, Admission admission) {}

    private static final int HTTP_LINE_BYTES = 2_048;
    private static final int HTTP_HEADERS_BYTES = 8_192;

    private final Map<EventLoop, ShardParts> shards;
    private final TransportConfig config;
    private final boolean isWebSocket;

    ConnectionPipeline(Map<EventLoop, ShardParts> shards, TransportConfig config, boolean isWebSocket) {
        this.shards = shards;
        this.config = config;
        this.isWebSocket = isWebSocket;
    }

    @Override
    protected void initChannel(Channel channel) {
        ShardParts shard = shards.get(channel.eventLoop());
        if (shard == null) {
            throw new IllegalStateException("socket on a loop that is no shard's");
        }
        Admission admission = shard.admission();
        CloseCode refusal = admission.onAccepted();
        FrameDecoder decoder = new FrameDecoder(shard.sessions(), admission, refusal, isWebSocket);
        channel.closeFuture().addListener(closed -> admission.onClosed(decoder.hasBeenWelcomed()));
        if (isWebSocket) {
            if (refusal != null) {
                // Nothing can be said before the upgrade, and the upgrade is not worth its cost.
                channel.close();
                return;
            }
            installWebSocket(channel.pipeline());
        }
        channel.pipeline().addLast("frames", decoder);
    }

    private void installWebSocket(ChannelPipeline pipeline) {
        pipeline.addLast(
                "http",
                new HttpServerCodec(new HttpDecoderConfig()
                        .setMaxInitialLineLength(HTTP_LINE_BYTES)
                        .setMaxHeaderSize(HTTP_HEADERS_BYTES)
                        .setMaxChunkSize(HTTP_HEADERS_BYTES)));
        pipeline.addLast("body", new HttpObjectAggregator(1, true));
        pipeline.addLast("upgrade", new WebSocketUpgrade(config.wsAllowedOrigins(), config.handshakeTimeoutMs()));
        pipeline.addLast(
                "websocket",
                new WebSocketServerProtocolHandler(WebSocketServerProtocolConfig.newBuilder()
                        .websocketPath("/")
                        .subprotocols("hermod.1")
                        .handshakeTimeoutMillis(config.handshakeTimeoutMs())
                        .decoderConfig(WebSocketDecoderConfig.newBuilder()
                                .maxFramePayloadLength(config.frameLimitBytes())
                                .allowExtensions(false)
                                .build())
                        .build()));
        pipeline.addLast("bytes", new WebSocketBytes());
        pipeline.addLast("activation", new ActiveAfterUpgrade());
    }

    /** The session begins when the upgrade is done, not when the socket opens. */
    private static final class ActiveAfterUpgrade extends ChannelInboundHandlerAdapter {
        private boolean isActive;

        @Override
        public void channelActive(ChannelHandlerContext context) {
            // Held back until the upgrade.
        }

        @Override
        public void userEventTriggered(ChannelHandlerContext context, Object event) {
            if (event instanceof WebSocketServerProtocolHandler.HandshakeComplete && !isActive) {
                isActive = true;
                context.fireChannelActive();
            }
        }
    }
}
