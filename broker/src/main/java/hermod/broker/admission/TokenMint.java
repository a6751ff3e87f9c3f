package hermod.broker.admission;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.MACSigner;
import hermod.protocol.Priority;
import java.time.Clock;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Makes HS256 tokens for operators, tests and benches: what an application's own back end would hand to its users. Any thread. */
public final class TokenMint {
    private final byte[] secret;
    private final Clock clock;

    /** @param secret at least {@link SecretFile#SECRET_BYTES_MIN} bytes. */
    public TokenMint(byte[] secret, Clock clock) {
        this.secret = secret.clone();
        this.clock = clock;
    }

    /**
     * @param rights as {@link Rights} reads them.
     * @param ttl how long the token is good, from now.
     * @throws IllegalArgumentException if a right means nothing, or the token could not be used otherwise.
     */
    public String mint(String user, String org, List<String> rights, Duration ttl) {
        return mint(user, org, rights, null, ttl);
    }

    /**
     * @param raisedTo claim {@code priority}; null for none.
     * @see #mint(String, String, List, Duration)
     */
    public String mint(String user, String org, List<String> rights, @Nullable Priority raisedTo, Duration ttl) {
        for (String right : rights) {
            if (!Rights.isKnown(right)) {
                throw new IllegalArgumentException(
                        "there is no right '" + right
                                + "'; rights are pub:PATTERN, sub:PATTERN (a topic, or a beginning and *), urgent, limits:service and rate:unlimited");
            }
        }
        if (ttl.compareTo(Duration.ofSeconds(1)) < 0) {
            throw new IllegalArgumentException("a token must live for at least 1 s");
        }
        long nowSeconds = clock.instant().getEpochSecond();
        Map<String, Object> claims = new LinkedHashMap<>();
        claims.put("sub", user);
        claims.put("org", org);
        claims.put("rights", rights);
        if (raisedTo != null) {
            claims.put("priority", raisedTo.name());
        }
        claims.put("iat", nowSeconds);
        claims.put("exp", nowSeconds + ttl.toSeconds());
        JWSHeader header = new JWSHeader.Builder(JWSAlgorithm.HS256)
                .type(JOSEObjectType.JWT)
                .build();
        JWSObject token = new JWSObject(header, new Payload(claims));
        try {
            token.sign(new MACSigner(secret));
        } catch (JOSEException unfit) {
            throw new IllegalArgumentException("the secret can't sign: " + unfit.getMessage(), unfit);
        }
        return token.serialize();
    }
}
