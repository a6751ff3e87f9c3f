package hermod.broker.filter;

import hermod.protocol.frame.EventFields;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.LinkedHashMap;
import java.util.Map;

/** The field attributes of an event as it lies in a chunk, somewhere in a buffer. */
final class Attributes {
    private Attributes() {}

    static Map<String, String> of(String... keysAndValues) {
        Map<String, String> attributes = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            attributes.put(keysAndValues[i], keysAndValues[i + 1]);
        }
        return attributes;
    }

    static boolean matches(EventFilter filter, Map<String, String> attributes) {
        ByteBuf in = Unpooled.buffer();
        in.writeBytes(new byte[] {1, 2, 3, 4, 5});
        EventFields.writeAttributes(in, attributes);
        int at = 5 + EventFields.HEAD_BYTES;
        int bytes = in.writerIndex() - at;
        in.writeBytes(new byte[] {'1', '7'});
        return filter.matches(in, at, bytes);
    }
}
