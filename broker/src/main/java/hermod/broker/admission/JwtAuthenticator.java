package hermod.broker.admission;

import hermod.broker.config.ConfigException;
import hermod.protocol.CloseCode;
import java.nio.file.Path;
import java.time.Clock;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Checks JWTs on one thread of its own, so that no shard pays for a signature. Any thread may ask. */
public final class JwtAuthenticator implements Authenticator {
    private static final Logger LOG = LoggerFactory.getLogger(JwtAuthenticator.class);

    private final TokenVerifier verifier;
    private final ThreadPoolExecutor thread;

    private JwtAuthenticator(TokenVerifier verifier, int queueLimitCount) {
        this.verifier = verifier;
        thread = new ThreadPoolExecutor(
                1,
                1,
                0,
                TimeUnit.SECONDS,
                new ArrayBlockingQueue<>(queueLimitCount),
                work -> {
                    Thread made = new Thread(work, "hermod-admission");
                    made.setDaemon(true);
                    return made;
                },
                (work, full) -> ((Check) work).refuse(full.isShutdown()));
    }

    /**
     * Reads the keys and starts the thread.
     *
     * @param dataDir where the secret is, or is made, when the configuration names none.
     * @param clock says when tokens run out.
     * @throws ConfigException with one sentence if a key can't be used.
     */
    public static JwtAuthenticator start(AdmissionConfig config, Path dataDir, Clock clock) throws ConfigException {
        VerificationKeys keys;
        if (config.algorithm() == AdmissionConfig.Algorithm.ES256) {
            keys = VerificationKeys.ofJwks(config.jwksFile().orElseThrow());
        } else if (config.secretFile().isPresent()) {
            keys = VerificationKeys.ofSecret(SecretFile.read(config.secretFile().get()));
        } else {
            keys = VerificationKeys.ofSecret(SecretFile.readOrCreate(dataDir));
        }
        return new JwtAuthenticator(new TokenVerifier(keys, config, clock), config.queueLimitCount());
    }

    @Override
    public void authenticate(String token, Consumer<Verdict> callback) {
        thread.execute(new Check(token, callback));
    }

    @Override
    public void close() {
        for (Runnable waiting : thread.shutdownNow()) {
            ((Check) waiting).refuse(true);
        }
    }

    /** One token on its way. */
    private final class Check implements Runnable {
        private final String token;
        private final Consumer<Verdict> callback;

        Check(String token, Consumer<Verdict> callback) {
            this.token = token;
            this.callback = callback;
        }

        @Override
        public void run() {
            answer(verifier.verify(token));
        }

        void refuse(boolean stopping) {
            CloseCode code = stopping ? CloseCode.GOING_AWAY : CloseCode.OVERLOADED;
            answer(new Verdict.Refused(code, code.meaning()));
        }

        /** A callback that fails must not end the thread that all others wait for. */
        private void answer(Verdict verdict) {
            try {
                callback.accept(verdict);
            } catch (RuntimeException defect) {
                LOG.error("callback of an authentication failed", defect);
            }
        }
    }
}
