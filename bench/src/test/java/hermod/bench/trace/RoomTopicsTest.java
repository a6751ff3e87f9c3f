package hermod.bench.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.protocol.TopicName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RoomTopicsTest {
    @ParameterizedTest
    @ValueSource(strings = {"Wiki", "", "%", "a b", "a:b", "*", "São Paulo", "100%25", "a/b\n", "日本", "%20", "."})
    void everyRoomHasAValidTopicThatLeadsBackToIt(String room) {
        String topic = RoomTopics.topicOf("chat", room);

        assertThat(TopicName.faultOf(topic)).isNull();
        assertThat(RoomTopics.roomOf(topic)).isEqualTo(room);
    }

    @ParameterizedTest
    @ValueSource(strings = {"chat:a%", "chat:a%4", "chat:a%zz"})
    void aTopicThatNoRoomMakesIsRefused(String topic) {
        assertThatThrownBy(() -> RoomTopics.roomOf(topic)).isInstanceOf(IllegalArgumentException.class);
    }
}
