package hermod.broker.admission;

import hermod.protocol.CloseCode;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolLimits;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Turns the claims of a token whose signature was checked into an identity, or says why not. Stateless but for its clock. */
final class ClaimsReader {
    private static final long US_PER_SECOND = 1_000_000L;

    /** The year 9999; a later time is a mistake. */
    private static final double SECONDS_MAX = 253_402_300_799.0;

    private static final int ORG_BYTES_MAX = 128;

    /** What the broker keeps for itself, such as the audit log, is under orgs that begin with it. */
    private static final String RESERVED = "$";

    private final AdmissionConfig config;
    private final Clock clock;
    private final long skewUs;
    private final long lifetimeLimitUs;

    ClaimsReader(AdmissionConfig config, Clock clock) {
        this.config = config;
        this.clock = clock;
        skewUs = config.clockSkewSeconds() * US_PER_SECOND;
        lifetimeLimitUs = config.lifetimeLimitSeconds() * US_PER_SECOND;
    }

    Verdict read(Map<String, Object> claims) {
        Verdict time = timeFault(claims);
        if (time != null) {
            return time;
        }
        if (!isExpected(claims.get("iss"), config.issuer()) || !isForUs(claims.get("aud"))) {
            return TokenVerifier.refused("it is from another issuer or for another audience");
        }
        if (!(claims.get("sub") instanceof String user) || !isName(user, ProtocolLimits.USER_ID_BYTES)) {
            return TokenVerifier.refused("the claim sub must be a name of 1 to 128 bytes");
        }
        if (!(claims.get("org") instanceof String org) || !isName(org, ORG_BYTES_MAX)) {
            return TokenVerifier.refused("the claim org must be a name of 1 to 128 bytes");
        }
        if (org.startsWith(RESERVED)) {
            return TokenVerifier.refused("the claim org must not begin with " + RESERVED);
        }
        Rights rights = rights(claims.get("rights"));
        if (rights == null) {
            return TokenVerifier.refused("the claim rights must be a list of at most " + Rights.COUNT_MAX + " texts");
        }
        return new Verdict.Accepted(
                new Identity(user, org, rights, raisedTo(claims.get("priority")), micros(claims.get("exp"))));
    }

    /** @return null if the token is good now. */
    private @Nullable Verdict timeFault(Map<String, Object> claims) {
        long expiresAtUs = micros(claims.get("exp"));
        if (expiresAtUs < 0) {
            return TokenVerifier.refused("the claim exp must be a time in seconds");
        }
        Instant now = clock.instant();
        long nowUs = now.getEpochSecond() * US_PER_SECOND + now.getNano() / 1_000;
        if (expiresAtUs <= nowUs) {
            return new Verdict.Refused(CloseCode.TOKEN_EXPIRED, CloseCode.TOKEN_EXPIRED.meaning());
        }
        long issuedAtUs = nowUs;
        for (String claim : List.of("nbf", "iat")) {
            if (claims.containsKey(claim)) {
                long startUs = micros(claims.get(claim));
                if (startUs < 0 || startUs > nowUs + skewUs) {
                    return TokenVerifier.refused("the claim " + claim + " is no time, or in the future");
                }
                issuedAtUs = claim.equals("iat") ? startUs : issuedAtUs;
            }
        }
        if (expiresAtUs - issuedAtUs > lifetimeLimitUs) {
            return TokenVerifier.refused("it lives longer than " + config.lifetimeLimitSeconds() + " s");
        }
        return null;
    }

    /** Seconds since 1970 (a NumericDate, with a fraction or without) as microseconds; −1 for anything else. */
    private static long micros(@Nullable Object claim) {
        if (!(claim instanceof Number number)) {
            return -1;
        }
        double seconds = number.doubleValue();
        if (!(seconds > 0 && seconds <= SECONDS_MAX)) {
            return -1;
        }
        return number instanceof Long whole ? whole * US_PER_SECOND : (long) (seconds * US_PER_SECOND);
    }

    private static boolean isExpected(@Nullable Object claim, Optional<String> expected) {
        return expected.isEmpty() || expected.get().equals(claim);
    }

    private boolean isForUs(@Nullable Object audience) {
        return isExpected(audience, config.audience())
                || (audience instanceof List<?> several
                        && several.contains(config.audience().orElseThrow()));
    }

    /** A name that can stand in topics, logs and tables: no blanks, no control characters, no half surrogates, no star. */
    private static boolean isName(String text, int bytesMax) {
        if (text.isEmpty() || text.length() > bytesMax) {
            return false;
        }
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c <= ' ' || (c >= 0x7f && c <= 0x9f) || c == '*' || c == '\u2028' || c == '\u2029') {
                return false;
            }
            if (Character.isSurrogate(c)) {
                if (i + 1 == text.length() || !Character.isSurrogatePair(c, text.charAt(i + 1))) {
                    return false;
                }
                i++;
            }
        }
        return text.getBytes(StandardCharsets.UTF_8).length <= bytesMax;
    }

    /** A priority that a newer version knows raises nothing, as with rights. */
    private static Priority raisedTo(@Nullable Object claim) {
        return claim instanceof String text ? Priority.parse(text).orElse(Priority.LOW) : Priority.LOW;
    }

    /** @return null if the claim is no list of texts, or too much of one. */
    private static @Nullable Rights rights(@Nullable Object claim) {
        if (claim == null) {
            return Rights.none();
        }
        if (!(claim instanceof List<?> list)) {
            return null;
        }
        List<String> entries = new ArrayList<>();
        for (Object entry : list) {
            if (!(entry instanceof String text)) {
                return null;
            }
            entries.add(text);
        }
        try {
            return Rights.of(entries);
        } catch (IllegalArgumentException tooMuch) {
            return null;
        }
    }
}
