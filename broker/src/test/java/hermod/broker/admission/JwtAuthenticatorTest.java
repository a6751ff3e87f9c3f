package hermod.broker.admission;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import hermod.broker.config.ConfigException;
import hermod.protocol.CloseCode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JwtAuthenticatorTest {
    @TempDir
    private Path dir;

    private final ManualClock clock = new ManualClock();

    @Test
    void aTokenOfTheDataDirectorysSecretIsAccepted() throws Exception {
        try (JwtAuthenticator authenticator = start(16)) {
            assertThat(Files.size(SecretFile.in(dir))).isEqualTo(32);
            assertThat(ask(authenticator, token())).isInstanceOf(Verdict.Accepted.class);
            assertThat(ask(authenticator, ""))
                    .isEqualTo(new Verdict.Refused(
                            CloseCode.UNAUTHORIZED, "The token is not accepted: there is no token."));
        }
    }

    @Test
    void aSecretFileThatIsNotThereStopsTheStart() {
        AdmissionConfig config = new AdmissionConfig(
                AdmissionConfig.Algorithm.HS256,
                Optional.of(dir.resolve("none")),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                30,
                86_400,
                16);
        assertThatExceptionOfType(ConfigException.class).isThrownBy(() -> JwtAuthenticator.start(config, dir, clock));
        assertThat(SecretFile.in(dir)).doesNotExist();
    }

    @Test
    void onePastTheQueueIsRefusedAtOnceAndTheOthersAreAnswered() throws Exception {
        try (JwtAuthenticator authenticator = start(2)) {
            CountDownLatch busy = new CountDownLatch(1);
            CountDownLatch go = new CountDownLatch(1);
            String token = token();
            List<Verdict> verdicts = Collections.synchronizedList(new ArrayList<>());
            CountDownLatch answered = new CountDownLatch(3);
            authenticator.authenticate(token, verdict -> {
                busy.countDown();
                await(go);
                verdicts.add(verdict);
                answered.countDown();
            });
            await(busy);
            for (int i = 0; i < 2; i++) {
                authenticator.authenticate(token, verdict -> {
                    verdicts.add(verdict);
                    answered.countDown();
                });
            }
            CompletableFuture<Verdict> past = new CompletableFuture<>();
            authenticator.authenticate(token, past::complete);
            assertThat(past)
                    .isCompletedWithValueMatching(
                            verdict -> ((Verdict.Refused) verdict).code() == CloseCode.OVERLOADED);
            go.countDown();
            await(answered);
            assertThat(verdicts).hasSize(3).allSatisfy(one -> assertThat(one).isInstanceOf(Verdict.Accepted.class));
        }
    }

    @Test
    void aCallbackThatFailsLeavesTheThreadAlive() throws Exception {
        try (JwtAuthenticator authenticator = start(16)) {
            authenticator.authenticate("x", verdict -> {
                throw new IllegalStateException("on purpose");
            });
            assertThat(ask(authenticator, token())).isInstanceOf(Verdict.Accepted.class);
        }
    }

    @Test
    void afterCloseEveryoneIsToldThatTheBrokerGoesAway() throws Exception {
        JwtAuthenticator authenticator = start(16);
        CountDownLatch busy = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        authenticator.authenticate("x", verdict -> {
            busy.countDown();
            boolean interrupted = false;
            while (go.getCount() > 0) {
                try {
                    go.await();
                } catch (InterruptedException again) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        });
        await(busy);
        CompletableFuture<Verdict> waiting = new CompletableFuture<>();
        authenticator.authenticate("x", waiting::complete);
        authenticator.close();
        assertThat(((Verdict.Refused) waiting.getNow(null)).code()).isEqualTo(CloseCode.GOING_AWAY);
        assertThat(((Verdict.Refused) ask(authenticator, "x")).code()).isEqualTo(CloseCode.GOING_AWAY);
        go.countDown();
    }

    @Test
    void inDevelopmentNoTokenIsAUserWithAllRightsAndAGivenOneIsChecked() throws Exception {
        try (DevAuthenticator authenticator = new DevAuthenticator(start(16))) {
            Identity dev = ((Verdict.Accepted) ask(authenticator, "")).identity();
            assertThat(dev.user()).isEqualTo("dev");
            assertThat(dev.org()).isEqualTo("dev");
            assertThat(dev.expiresAtUs()).isZero();
            assertThat(dev.rights().mayPublish("any:topic")).isTrue();
            assertThat(ask(authenticator, "bad")).isInstanceOf(Verdict.Refused.class);
            assertThat(((Verdict.Accepted) ask(authenticator, token()))
                            .identity()
                            .user())
                    .isEqualTo("u1");
        }
    }

    private JwtAuthenticator start(int queueLimitCount) throws ConfigException {
        AdmissionConfig config = new AdmissionConfig(
                AdmissionConfig.Algorithm.HS256,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                30,
                86_400,
                queueLimitCount);
        return JwtAuthenticator.start(config, dir, clock);
    }

    private String token() throws ConfigException {
        return new TokenMint(SecretFile.readOrCreate(dir), clock)
                .mint("u1", "acme", List.of("sub:*"), Duration.ofHours(1));
    }

    private static Verdict ask(Authenticator authenticator, String token) throws Exception {
        CompletableFuture<Verdict> answer = new CompletableFuture<>();
        authenticator.authenticate(token, answer::complete);
        return answer.get(60, TimeUnit.SECONDS);
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(60, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException failed) {
            throw new AssertionError(failed);
        }
    }
}
