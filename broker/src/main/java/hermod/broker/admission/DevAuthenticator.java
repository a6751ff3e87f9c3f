package hermod.broker.admission;

import java.util.function.Consumer;

/** Development mode: a client without a token is the user dev of the org dev with all rights; a token that is given is checked as ever. */
public final class DevAuthenticator implements Authenticator {
    private static final Identity DEV = new Identity("dev", "dev", Rights.all(), 0);

    private final Authenticator tokens;

    /** @param tokens given: closed with this one. */
    public DevAuthenticator(Authenticator tokens) {
        this.tokens = tokens;
    }

    @Override
    public void authenticate(String token, Consumer<Verdict> callback) {
        if (token.isEmpty()) {
            callback.accept(new Verdict.Accepted(DEV));
        } else {
            tokens.authenticate(token, callback);
        }
    }

    @Override
    public void close() {
        tokens.close();
    }
}
