package hermod.broker.transport;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.LeakCheck;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LeakCheck.class)
class SocketSinkTest {
    private final EmbeddedChannel channel = new EmbeddedChannel();
    private final SocketSink sink = new SocketSink(channel);

    private static ByteBuf text(String text) {
        return Unpooled.copiedBuffer(text, StandardCharsets.UTF_8);
    }

    private void copy(String text) {
        ByteBuf memory = text("..." + text + "...");
        sink.writeCopy(memory, 3, text.length());
        memory.release();
    }

    private List<String> written() {
        List<String> pieces = new ArrayList<>();
        ByteBuf piece;
        while ((piece = channel.readOutbound()) != null) {
            pieces.add(piece.toString(StandardCharsets.UTF_8));
            piece.release();
        }
        return pieces;
    }

    @Test
    void copiesThatFollowOnEachOtherAreOnePieceAndStayInOrderWithTheRest() {
        copy("a");
        copy("b");
        sink.write(text("large"));
        copy("c");
        sink.flush();
        copy("d");
        sink.flush();
        assertThat(written()).containsExactly("ab", "large", "c", "d");
    }

    @Test
    void whatDoesNotFitInAPieceBeginsTheNext() {
        String half = "x".repeat(9_000);
        copy(half);
        copy(half);
        copy("y".repeat(20_000));
        sink.flush();
        assertThat(written()).extracting(String::length).containsExactly(9_000, 9_000, 20_000);
    }

    @Test
    void copiesLeaveBeforeTheLastFrame() {
        copy("a");
        sink.close(text("bye"));
        assertThat(written()).containsExactly("a", "bye");
        assertThat(channel.isOpen()).isFalse();
    }
}
