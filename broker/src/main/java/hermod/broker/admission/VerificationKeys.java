package hermod.broker.admission;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSVerifier;
import com.nimbusds.jose.crypto.ECDSAVerifier;
import com.nimbusds.jose.crypto.MACVerifier;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.KeyUse;
import hermod.broker.config.ConfigException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.text.ParseException;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The one algorithm tokens may use and the keys for it. Immutable.
 *
 * <p>A token's {@code kid} is only ever looked up in the map: nothing is read or fetched because of it.
 */
final class VerificationKeys {
    private static final int JWKS_BYTES_MAX = 64 * 1024;
    static final int KEY_ID_LENGTH_MAX = 64;

    private final JWSAlgorithm algorithm;
    private final Map<String, JWSVerifier> byId;

    /** For tokens without a key id: the only key there is, or null where there are several. */
    private final @Nullable JWSVerifier only;

    /** Whether a key id in a token means nothing, because the single secret has none. */
    private final boolean idsIgnored;

    private VerificationKeys(
            JWSAlgorithm algorithm, Map<String, JWSVerifier> byId, @Nullable JWSVerifier only, boolean idsIgnored) {
        this.algorithm = algorithm;
        this.byId = byId;
        this.only = only;
        this.idsIgnored = idsIgnored;
    }

    static VerificationKeys ofSecret(byte[] secret) throws ConfigException {
        try {
            return new VerificationKeys(JWSAlgorithm.HS256, Map.of(), new MACVerifier(secret), true);
        } catch (JOSEException unfit) {
            throw new ConfigException("The secret of HS256 can't be used: it must have at least "
                    + SecretFile.SECRET_BYTES_MIN + " bytes.");
        }
    }

    /** @throws ConfigException with one sentence if the file can't be read or holds no usable key. */
    static VerificationKeys ofJwks(Path file) throws ConfigException {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(JWKS_BYTES_MAX + 1);
            if (bytes.length > JWKS_BYTES_MAX) {
                throw new ConfigException(file + ": is larger than " + JWKS_BYTES_MAX + " bytes.");
            }
            return ofJwks(String.valueOf(file), new String(bytes, StandardCharsets.UTF_8));
        } catch (NoSuchFileException missing) {
            throw new ConfigException(file + ": there is no such file; it must hold the JWKS of ES256.");
        } catch (IOException unreadable) {
            throw new ConfigException(file + ": can't be read: " + unreadable.getMessage() + ".");
        }
    }

    private static VerificationKeys ofJwks(String source, String json) throws ConfigException {
        Map<String, JWSVerifier> byId = new HashMap<>();
        JWSVerifier last = null;
        int count = 0;
        try {
            for (JWK key : JWKSet.parse(json).getKeys()) {
                if (isUsable(key)) {
                    if (key.isPrivate()) {
                        throw new ConfigException(
                                source + ": holds a private key; the broker needs the public ones only.");
                    }
                    last = new ECDSAVerifier(key.toECKey());
                    count++;
                    String id = key.getKeyID();
                    if (id != null && (id.length() > KEY_ID_LENGTH_MAX || byId.put(id, last) != null)) {
                        throw new ConfigException(source + ": a kid stands there twice or is longer than "
                                + KEY_ID_LENGTH_MAX + " characters.");
                    }
                }
            }
        } catch (ParseException | JOSEException broken) {
            throw new ConfigException(source + ": is no JWKS with keys for ES256.");
        }
        if (count == 0 || (byId.size() < count && count > 1)) {
            throw new ConfigException(
                    source
                            + ": must hold at least one EC key on P-256 for signatures, and each must have a kid where there are several.");
        }
        return new VerificationKeys(JWSAlgorithm.ES256, Map.copyOf(byId), count == 1 ? last : null, false);
    }

    private static boolean isUsable(JWK key) {
        return key instanceof ECKey ec
                && Curve.P_256.equals(ec.getCurve())
                && (key.getKeyUse() == null || KeyUse.SIGNATURE.equals(key.getKeyUse()))
                && (key.getAlgorithm() == null
                        || JWSAlgorithm.ES256
                                .getName()
                                .equals(key.getAlgorithm().getName()));
    }

    JWSAlgorithm algorithm() {
        return algorithm;
    }

    /** @return null if no key has this id. */
    @Nullable
    JWSVerifier find(@Nullable String keyId) {
        return keyId == null || idsIgnored ? only : byId.get(keyId);
    }
}
