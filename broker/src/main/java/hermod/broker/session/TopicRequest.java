package hermod.broker.session;

import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.FrameType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A SUBSCRIBE or OPEN, or the wishes of a HELLO, whose topics' homes have not all answered. The session's shard's. */
final class TopicRequest {
    private final FrameType answer;
    private final int requestId;
    private final @Nullable TopicResult[] results;
    private int missingCount;

    TopicRequest(FrameType answer, int requestId, int topicCount) {
        this.answer = answer;
        this.requestId = requestId;
        this.results = new TopicResult[topicCount];
        this.missingCount = topicCount;
    }

    FrameType answer() {
        return answer;
    }

    int requestId() {
        return requestId;
    }

    boolean asSubscriber() {
        return answer != FrameType.OPENED;
    }

    void put(int index, TopicResult result) {
        assert results[index] == null : "topic answered twice";
        results[index] = result;
        missingCount--;
    }

    boolean isComplete() {
        return missingCount == 0;
    }

    List<TopicResult> results() {
        List<TopicResult> all = new ArrayList<>(results.length);
        for (TopicResult result : Arrays.asList(results)) {
            if (result != null) {
                all.add(result);
            }
        }
        return all;
    }
}
