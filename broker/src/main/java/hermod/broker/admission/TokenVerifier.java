package hermod.broker.admission;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSVerifier;
import com.nimbusds.jose.util.Base64URL;
import com.nimbusds.jose.util.JSONObjectUtils;
import hermod.protocol.CloseCode;
import hermod.protocol.ProtocolLimits;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.time.Clock;
import java.util.Base64;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Checks one token: its shape, then its signature, and only then reads what it claims (RFC 8725).
 *
 * <pre>
 *  token ─▶ at most 8 KiB, three canonical base64url parts
 *        ─▶ header: the configured algorithm, no crit, kid only looked up
 *        ─▶ signature
 *        ─▶ claims: exp, sub, org; nbf, iat, iss, aud, rights
 * </pre>
 *
 * <p>Each part must be the one way to write its bytes, so that no changed character leaves a token valid. Used by one thread at a time, because
 * verifiers are.
 */
final class TokenVerifier {
    private static final int PARTS = 3;
    private static final int HEADER_CHARS_MAX = 2_048;

    private final VerificationKeys keys;
    private final ClaimsReader claims;

    TokenVerifier(VerificationKeys keys, AdmissionConfig config, Clock clock) {
        this.keys = keys;
        this.claims = new ClaimsReader(config, clock);
    }

    Verdict verify(String token) {
        if (token.isEmpty()) {
            return refused("there is no token");
        }
        if (token.length() > ProtocolLimits.TOKEN_BYTES) {
            return refused("it is longer than " + ProtocolLimits.TOKEN_BYTES + " bytes");
        }
        String[] parts = token.split("\\.", -1);
        if (parts.length != PARTS) {
            return refused("it is not a signed JWT of three parts");
        }
        byte[][] decoded = new byte[PARTS][];
        for (int i = 0; i < PARTS; i++) {
            byte[] bytes = canonical(parts[i]);
            if (bytes == null) {
                return refused("it is not base64url");
            }
            decoded[i] = bytes;
        }
        try {
            return isSigned(parts, decoded) ? claims.read(json(decoded[1])) : refused("its signature does not match");
        } catch (ParseException | CharacterCodingException | RuntimeException malformed) {
            // Whatever the libraries trip over, a stranger sent it.
            return refused("it is malformed");
        }
    }

    private boolean isSigned(String[] parts, byte[][] decoded) throws ParseException, CharacterCodingException {
        if (parts[0].length() > HEADER_CHARS_MAX) {
            return false;
        }
        // Refuses a name that stands twice, which the header's own parser may not.
        json(decoded[0]);
        JWSHeader header = JWSHeader.parse(new Base64URL(parts[0]));
        if (!keys.algorithm().equals(header.getAlgorithm())
                || header.getCriticalParams() != null
                || !header.isBase64URLEncodePayload()
                || !isJwt(header.getType())
                || (header.getKeyID() != null && header.getKeyID().length() > VerificationKeys.KEY_ID_LENGTH_MAX)) {
            return false;
        }
        JWSVerifier verifier = keys.find(header.getKeyID());
        if (verifier == null) {
            return false;
        }
        byte[] signed = (parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII);
        try {
            return verifier.verify(header, signed, new Base64URL(parts[2]));
        } catch (JOSEException unfit) {
            return false;
        }
    }

    private static boolean isJwt(@Nullable JOSEObjectType type) {
        return type == null
                || JOSEObjectType.JWT.equals(type)
                || type.getType().equalsIgnoreCase("JWT")
                || type.getType().equalsIgnoreCase("at+jwt");
    }

    /** @return null unless the text is base64url without padding, and the only way to write its bytes. */
    private static byte @Nullable [] canonical(String part) {
        try {
            byte[] bytes = Base64.getUrlDecoder().decode(part);
            return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes).equals(part) ? bytes : null;
        } catch (IllegalArgumentException notBase64) {
            return null;
        }
    }

    private static Map<String, Object> json(byte[] bytes) throws ParseException, CharacterCodingException {
        String text = StandardCharsets.UTF_8
                .newDecoder()
                .decode(ByteBuffer.wrap(bytes))
                .toString();
        return JSONObjectUtils.parse(text);
    }

    static Verdict refused(String why) {
        return new Verdict.Refused(CloseCode.UNAUTHORIZED, "The token is not accepted: " + why + ".");
    }
}
