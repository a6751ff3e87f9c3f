package hermod.broker.session;

import hermod.protocol.control.wire.ResumeResult;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.FrameType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A SUBSCRIBE or OPEN, or the wishes of a HELLO, whose topics' homes have not all answered. The session's shard's. */
final class TopicRequest {
    private final FrameType answer;
    private final int requestId;
    private final @Nullable TopicResult[] results;
    private final List<@Nullable ResumeResult> outcomes;
    private int missingCount;

    TopicRequest(FrameType answer, int requestId, int topicCount) {
        this.answer = answer;
        this.requestId = requestId;
        this.results = new TopicResult[topicCount];
        this.outcomes =
                answer == FrameType.RESUMED ? new ArrayList<>(Collections.nCopies(topicCount, null)) : List.of();
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

    /** What became of a RESUME's cursor, beside the topic's result. */
    void outcome(int index, ResumeResult.Outcome outcome, long from, long to) {
        outcomes.set(
                index,
                ResumeResult.newBuilder()
                        .setOutcome(outcome)
                        .setFromOffset(from)
                        .setToOffset(to)
                        .build());
    }

    /** Whether a RESUME's cursor means nothing, or what lies behind it is not kept. */
    boolean isLost(int index) {
        ResumeResult outcome = outcomes.get(index);
        return outcome != null && outcome.getOutcome() == ResumeResult.Outcome.OUTCOME_LOST;
    }

    /** The results of a RESUME, each with its outcome if it was granted. */
    List<ResumeResult> resumeResults() {
        List<ResumeResult> all = new ArrayList<>(results.length);
        for (int i = 0; i < results.length; i++) {
            ResumeResult outcome = outcomes.get(i);
            TopicResult result = results[i];
            if (result != null) {
                all.add((outcome == null ? ResumeResult.newBuilder() : outcome.toBuilder())
                        .setTopic(result)
                        .build());
            }
        }
        return all;
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
