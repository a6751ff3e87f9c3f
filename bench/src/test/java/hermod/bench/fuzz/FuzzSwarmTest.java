package hermod.bench.fuzz;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.protocol.CloseCode;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(180)
class FuzzSwarmTest {
    private static FrameFuzzer fuzzer() {
        return new FrameFuzzer(1, List.of(), "tasks:fuzzed");
    }

    private static long in(long seconds) {
        return System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    }

    @Test
    void anotherMachineIsRefused() {
        assertThatThrownBy(() -> new FuzzSwarm(new InetSocketAddress("192.0.2.1", 7400), "", 1, fuzzer(), 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("loopback");
    }

    @Test
    void aServerThatClosesEveryConnectionIsReconnectedToAndItsCodesAreCounted() throws IOException {
        ByteBuf close = ControlCodec.encode(
                UnpooledByteBufAllocator.DEFAULT,
                FrameType.CLOSE,
                0,
                Close.newBuilder().setCode(CloseCode.BAD_FRAME.code()).build());
        byte[] goodbye = ByteBufUtil.getBytes(close);
        close.release();
        try (ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            Thread closing = new Thread(() -> closeEach(server, goodbye));
            closing.start();
            try (FuzzSwarm swarm =
                    new FuzzSwarm((InetSocketAddress) server.getLocalSocketAddress(), "", 4, fuzzer(), 1)) {
                assertThat(swarm.run(300, 0, in(30))).isTrue();

                assertThat(swarm.framesSent()).isGreaterThanOrEqualTo(300);
                assertThat(swarm.connections()).isGreaterThan(4);
                assertThat(swarm.closes()).containsKey("BAD_FRAME");
            }
        }
    }

    @Test
    void aServerThatIsGoneEndsTheRunWithFalse() throws IOException {
        InetSocketAddress gone;
        try (ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            gone = (InetSocketAddress) server.getLocalSocketAddress();
        }
        try (FuzzSwarm swarm = new FuzzSwarm(gone, "", 4, fuzzer(), 1)) {
            assertThat(swarm.run(1_000, 0, in(30))).isFalse();
        }
    }

    @Test
    void theDeadlineEndsARunWhoseServerNeverAnswers() throws IOException {
        try (ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
                FuzzSwarm swarm =
                        new FuzzSwarm((InetSocketAddress) server.getLocalSocketAddress(), "", 2, fuzzer(), 1)) {
            assertThat(swarm.run(Long.MAX_VALUE, 100, in(1))).isTrue();
        }
    }

    private static void closeEach(ServerSocket server, byte[] goodbye) {
        while (!server.isClosed()) {
            try (var socket = server.accept()) {
                socket.getInputStream().read(new byte[65_536]);
                socket.getOutputStream().write(goodbye);
                socket.shutdownOutput();
                while (socket.getInputStream().read(new byte[65_536]) >= 0) {
                    continue;
                }
            } catch (IOException reset) {
                continue;
            }
        }
    }
}
