package hermod.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ProtocolVersionTest {
    /** As protobuf hands over the u32 4294967295. */
    private static final int LARGEST = -1;

    @Test
    void theHighestVersionThatBothEndsSpeakIsChosen() {
        assertThat(ProtocolVersion.choose(1, 1)).isEqualTo(1);
        assertThat(ProtocolVersion.choose(1, 7)).isEqualTo(1);
        assertThat(ProtocolVersion.choose(0, 1)).isEqualTo(1);
    }

    @Test
    void noVersionIsChosenWhereThereIsNoneInCommon() {
        assertThat(ProtocolVersion.choose(2, 3)).isZero();
        assertThat(ProtocolVersion.choose(0, 0)).isZero();
        assertThat(ProtocolVersion.choose(2, 1)).isZero();
    }

    @Test
    void versionsAreUnsigned() {
        assertThat(ProtocolVersion.choose(1, LARGEST)).isEqualTo(1);
        assertThat(ProtocolVersion.choose(LARGEST, LARGEST)).isZero();
        assertThat(ProtocolVersion.choose(LARGEST, 1)).isZero();
    }
}
