package hermod.broker.transport;

import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.util.concurrent.ScheduledFuture;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Lets a request through to the WebSocket handshake if its page may talk to us, in time.
 *
 * <p>A browser always sends Origin, so a page of another site is recognised by it (cross-site WebSocket hijacking, CWE-1385); only configured origins, or the broker's own, are let in. Tokens in the URL are refused: they end up in logs.
 */
final class WebSocketUpgrade extends SimpleChannelInboundHandler<FullHttpRequest> {
    private final List<String> allowedOrigins;
    private final int timeoutMs;
    private @Nullable ScheduledFuture<?> deadline;

    WebSocketUpgrade(List<String> allowedOrigins, int timeoutMs) {
        this.allowedOrigins = allowedOrigins;
        this.timeoutMs = timeoutMs;
    }

    @Override
    public void handlerAdded(ChannelHandlerContext context) {
        deadline = context.executor()
                .schedule(
                        () -> {
                            context.close();
                        },
                        timeoutMs,
                        TimeUnit.MILLISECONDS);
    }

    @Override
    public void handlerRemoved(ChannelHandlerContext context) {
        if (deadline != null) {
            deadline.cancel(false);
        }
    }

    @Override
    protected void channelRead0(ChannelHandlerContext context, FullHttpRequest request) {
        if (!isAllowed(
                request.headers().get(HttpHeaderNames.ORIGIN), request.headers().get(HttpHeaderNames.HOST))) {
            refuse(context, HttpResponseStatus.FORBIDDEN);
        } else if (!request.uri().equals("/")) {
            refuse(
                    context,
                    request.uri().contains("token=") ? HttpResponseStatus.BAD_REQUEST : HttpResponseStatus.NOT_FOUND);
        } else {
            // Next in the pipeline is the handshake, which releases it.
            context.fireChannelRead(request.retain());
            context.pipeline().remove(this);
        }
    }

    private boolean isAllowed(@Nullable String origin, @Nullable String host) {
        return origin == null
                || allowedOrigins.contains(origin)
                || (host != null && (origin.equals("http://" + host) || origin.equals("https://" + host)));
    }

    private static void refuse(ChannelHandlerContext context, HttpResponseStatus status) {
        DefaultFullHttpResponse answer = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, status);
        answer.headers().set(HttpHeaderNames.CONTENT_LENGTH, 0).set(HttpHeaderNames.CONNECTION, "close");
        context.writeAndFlush(answer).addListener(ChannelFutureListener.CLOSE);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        context.close();
    }
}
