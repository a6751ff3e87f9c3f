package hermod.broker.schedule;

import com.google.protobuf.MessageLite;
import hermod.protocol.ErrorCode;
import org.jspecify.annotations.Nullable;

/** The answer to a request: a message, or a refusal with a sentence. */
record Reply(@Nullable MessageLite message, @Nullable ErrorCode refusal, String sentence) {
    static Reply of(MessageLite message) {
        return new Reply(message, null, "");
    }

    static Reply refused(ErrorCode code, String sentence) {
        return new Reply(null, code, sentence);
    }
}
