package hermod.broker.admission;

import hermod.broker.config.Setting;
import java.nio.file.Path;
import java.util.Optional;

/** How tokens are checked. Immutable. */
public record AdmissionConfig(
        @Setting(text = "The one algorithm a token may be signed with; a token never chooses it.")
        Algorithm algorithm,

        @Setting(
                text =
                        "HS256: file whose bytes, all of them, are the secret; at least 32, readable by its owner only. Without it the broker makes "
                                + "auth/hs256.key in its data directory.")
        Optional<Path> secretFile,

        @Setting(text = "ES256: file with the JWKS that holds the public keys, at most 64 KiB. Read once at start.")
        Optional<Path> jwksFile,

        @Setting(min = 1, max = 256, text = "What the claim iss must be; not looked at when not set.")
        Optional<String> issuer,

        @Setting(min = 1, max = 256, text = "What the claim aud must name; not looked at when not set.")
        Optional<String> audience,

        @Setting(
                unit = "s",
                min = 0,
                max = 300,
                text =
                        "How far the issuer's clock may be ahead (claims nbf and iat). A token's expiry is never stretched.")
        int clockSkewSeconds,

        @Setting(
                unit = "s",
                min = 60,
                max = 2_592_000,
                text =
                        "Longest life a token may have, from iat (or now) to exp. Long-lived tokens stay good after they leak.")
        int lifetimeLimitSeconds,

        @Setting(
                min = 1,
                max = 100_000,
                text = "Tokens waiting to be checked; more connections are closed with OVERLOADED.")
        int queueLimitCount) {

    /** What a signature may be made with. */
    public enum Algorithm {
        HS256,
        ES256
    }

    public AdmissionConfig {
        if (algorithm == Algorithm.ES256 && jwksFile.isEmpty()) {
            throw new IllegalArgumentException("jwks-file must be set where algorithm is es256");
        }
        if (algorithm == Algorithm.HS256 && jwksFile.isPresent()) {
            throw new IllegalArgumentException("jwks-file must not be set where algorithm is hs256");
        }
        if (algorithm == Algorithm.ES256 && secretFile.isPresent()) {
            throw new IllegalArgumentException("secret-file must not be set where algorithm is es256");
        }
    }

    public static AdmissionConfig defaults() {
        return new AdmissionConfig(
                Algorithm.HS256,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                30,
                86_400,
                4_096);
    }
}
