package hermod.broker.dispatch;

import hermod.broker.topic.IncomingEvent;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import io.netty.buffer.ByteBuf;

/** Where an event has the id its publisher gave it: it is the first of its fields, or it has none. Stateless. */
final class EventId {
    private EventId() {}

    /** @return index of its 16 bytes in {@link IncomingEvent#in}, or −1. */
    static int at(IncomingEvent event) {
        int fieldsAt = event.entryAt + Entry.FIELDS_AT;
        return event.fieldsBytes > 0 && event.in.getByte(fieldsAt) == EventFields.TAG_EVENT_ID
                ? fieldsAt + EventFields.HEAD_BYTES
                : -1;
    }

    /** The same in an EVENT frame, whose fields are never empty. */
    static int atInFrame(ByteBuf in, int frameAt) {
        int fieldsAt = frameAt + EventFrame.ENTRY_AT + Entry.FIELDS_AT;
        return in.getByte(fieldsAt) == EventFields.TAG_EVENT_ID ? fieldsAt + EventFields.HEAD_BYTES : -1;
    }
}
