package hermod.broker.admission;

import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.jose.EncryptionMethod;
import com.nimbusds.jose.JWEAlgorithm;
import com.nimbusds.jose.JWEHeader;
import com.nimbusds.jose.JWEObject;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.DirectEncrypter;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.KeyUse;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.jwk.gen.RSAKeyGenerator;
import hermod.broker.config.ConfigException;
import hermod.protocol.CloseCode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** What strangers send for a token, and what the clock does to a good one. */
class TokenVerifierTest {
    private static final byte[] SECRET = "0123456789abcdef0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
    private static final String HEADER = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";

    private final ManualClock clock = new ManualClock();
    private final String exp = "\"exp\":" + (clock.seconds() + 3_600);
    private final String claims = "{\"sub\":\"u1\",\"org\":\"acme\"," + exp + ",\"rights\":[\"sub:chat:*\"]}";

    @Test
    void aGoodTokenTellsUserOrgRightsAndExpiry() throws Exception {
        Verdict verdict = hs256().verify(signed(HEADER, claims));
        Identity identity = ((Verdict.Accepted) verdict).identity();
        assertThat(identity.user()).isEqualTo("u1");
        assertThat(identity.org()).isEqualTo("acme");
        assertThat(identity.expiresAtUs()).isEqualTo((clock.seconds() + 3_600) * 1_000_000);
        assertThat(identity.rights().maySubscribe("chat:1")).isTrue();
        assertThat(identity.rights().mayPublish("chat:1")).isFalse();
    }

    @TestFactory
    Stream<DynamicTest> aHostileTokenIsRefused() throws Exception {
        TokenVerifier verifier = hs256();
        return hostile().entrySet().stream()
                .map(entry -> DynamicTest.dynamicTest(entry.getKey(), () -> {
                    Verdict verdict = verifier.verify(entry.getValue());
                    assertThat(verdict).isInstanceOf(Verdict.Refused.class);
                    Verdict.Refused refused = (Verdict.Refused) verdict;
                    assertThat(refused.code()).isEqualTo(CloseCode.UNAUTHORIZED);
                    assertThat(refused.reason())
                            .hasSizeLessThan(120)
                            .doesNotContain("acme")
                            .doesNotContain("Exception");
                }));
    }

    @Test
    void thereAreAtLeastFortyOfThem() throws Exception {
        assertThat(hostile()).hasSizeGreaterThanOrEqualTo(40);
    }

    private Map<String, String> hostile() throws Exception {
        Map<String, String> table = new LinkedHashMap<>();
        String good = signed(HEADER, claims);
        String[] parts = good.split("\\.");
        ECKey ec = new ECKeyGenerator(Curve.P_256).keyID("k").generate();
        ECKey foreign = new ECKeyGenerator(Curve.P_256).keyID("foreign").generate();

        // shape
        table.put("empty", "");
        table.put("one dot", "a.b");
        table.put("two dots and nothing", "..");
        table.put("a word", "admin");
        table.put("four parts", good + ".x");
        table.put("no signature", parts[0] + "." + parts[1] + ".");
        table.put("no payload", parts[0] + ".." + parts[2]);
        table.put("no header", "." + parts[1] + "." + parts[2]);
        table.put("padded", parts[0] + "." + parts[1] + "." + parts[2] + "=");
        table.put("standard base64 alphabet", parts[0] + "." + parts[1] + "." + parts[2].substring(1) + "+");
        table.put("blank inside", parts[0] + "." + parts[1] + ". " + parts[2]);
        table.put("line break at the end", good + "\n");
        table.put("bearer prefix", "Bearer " + good);
        table.put("NUL at the end", good + "\u0000");
        table.put("longer than 8 KiB", signed(HEADER, claims.replace("u1", "u".repeat(7_000))));
        table.put("a megabyte", "a".repeat(1 << 20));
        table.put("a megabyte of dots", ".".repeat(1 << 20));
        table.put("not ASCII", parts[0] + "." + parts[1] + ".é");

        // algorithm and header
        table.put("alg none without signature", encoded("{\"alg\":\"none\"}") + "." + parts[1] + ".");
        table.put("alg none with the signature", encoded("{\"alg\":\"none\"}") + "." + parts[1] + "." + parts[2]);
        table.put("alg None", signed("{\"alg\":\"None\"}", claims));
        table.put("alg NONE", signed("{\"alg\":\"NONE\"}", claims));
        table.put("alg empty", signed("{\"alg\":\"\"}", claims));
        table.put("alg missing", signed("{\"typ\":\"JWT\"}", claims));
        table.put("alg null", signed("{\"alg\":null}", claims));
        table.put("alg a number", signed("{\"alg\":256}", claims));
        table.put("alg a list", signed("{\"alg\":[\"HS256\"]}", claims));
        table.put("alg in lower case", signed("{\"alg\":\"hs256\"}", claims));
        table.put("alg HS384", signed("{\"alg\":\"HS384\"}", claims, "HmacSHA384", SECRET));
        table.put("alg HS512", signed("{\"alg\":\"HS512\"}", claims, "HmacSHA512", SECRET));
        table.put("alg HS512 over an HS256 signature", signed("{\"alg\":\"HS512\"}", claims));
        table.put("alg ES256 by a key of its own", es256(ec, "k", claims));
        table.put("alg ES256 over an HMAC", signed("{\"alg\":\"ES256\"}", claims));
        table.put("alg twice", signed("{\"alg\":\"none\",\"alg\":\"HS256\"}", claims));
        table.put("alg twice the other way", signed("{\"alg\":\"HS256\",\"alg\":\"none\"}", claims));
        table.put("crit", signed("{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", claims));
        table.put("crit empty", signed("{\"alg\":\"HS256\",\"crit\":[]}", claims));
        table.put("unencoded payload", signed("{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}", claims));
        table.put("b64 false", signed("{\"alg\":\"HS256\",\"b64\":false}", claims));
        table.put("another type", signed("{\"alg\":\"HS256\",\"typ\":\"JOSE+JSON\"}", claims));
        table.put("kid longer than 64", signed("{\"alg\":\"HS256\",\"kid\":\"" + "k".repeat(65) + "\"}", claims));
        table.put("kid a number", signed("{\"alg\":\"HS256\",\"kid\":1}", claims));
        table.put("header not JSON", signed("alg=HS256", claims));
        table.put("header a list", signed("[\"HS256\"]", claims));
        table.put(
                "header not UTF-8",
                signedBytes(new byte[] {'{', (byte) 0xff, '}'}, claims.getBytes(StandardCharsets.UTF_8)));
        table.put("header of 4 KiB", signed("{\"alg\":\"HS256\",\"x\":\"" + "x".repeat(4_000) + "\"}", claims));

        // keys the token brings along
        table.put(
                "kid as a path, signed with nothing",
                signed("{\"alg\":\"HS256\",\"kid\":\"../../../../dev/null\"}", claims, "HmacSHA256", new byte[] {0}));
        table.put(
                "kid as SQL",
                signed(
                        "{\"alg\":\"HS256\",\"kid\":\"x' UNION SELECT 'key'--\"}",
                        claims,
                        "HmacSHA256",
                        "key".getBytes(StandardCharsets.US_ASCII)));
        table.put("jwk in the header", withHeaderKey(foreign));
        table.put(
                "jku in the header",
                signed("{\"alg\":\"HS256\",\"jku\":\"http://127.0.0.1:1/keys\"}", claims, "HmacSHA256", new byte[32]));
        table.put(
                "x5u in the header",
                signed("{\"alg\":\"HS256\",\"x5u\":\"http://127.0.0.1:1/c\"}", claims, "HmacSHA256", new byte[32]));

        // encryption
        table.put("JWE with the secret", jwe(EncryptionMethod.A128CBC_HS256));
        table.put(
                "JWE with PBES2 and many rounds",
                encoded("{\"alg\":\"PBES2-HS256+A128KW\",\"enc\":\"A128GCM\",\"p2c\":2147483647,\"p2s\":\"AAAA\"}")
                        + ".a.a.a.a");
        table.put("zip in a signed token", signed("{\"alg\":\"HS256\",\"zip\":\"DEF\"}", "\u001f\u008b not json"));

        // signature
        table.put(
                "another secret",
                signed(
                        HEADER,
                        claims,
                        "HmacSHA256",
                        "another secret another secret an".getBytes(StandardCharsets.US_ASCII)));
        table.put("empty secret", signed(HEADER, claims, "HmacSHA256", new byte[] {0}));
        table.put("truncated signature", parts[0] + "." + parts[1] + "." + parts[2].substring(0, 21));
        table.put("payload exchanged", parts[0] + "." + encoded(claims.replace("u1", "u2")) + "." + parts[2]);
        table.put("header exchanged", encoded("{\"alg\":\"HS256\"}") + "." + parts[1] + "." + parts[2]);

        // claims
        claim(table, "exp missing", "{\"sub\":\"u1\",\"org\":\"acme\"}");
        claim(table, "exp a text", "{\"sub\":\"u1\",\"org\":\"acme\",\"exp\":\"" + (clock.seconds() + 3_600) + "\"}");
        claim(table, "exp null", "{\"sub\":\"u1\",\"org\":\"acme\",\"exp\":null}");
        claim(table, "exp negative", "{\"sub\":\"u1\",\"org\":\"acme\",\"exp\":-1}");
        claim(table, "exp zero", "{\"sub\":\"u1\",\"org\":\"acme\",\"exp\":0}");
        claim(table, "exp past all bounds", "{\"sub\":\"u1\",\"org\":\"acme\",\"exp\":9223372036854775807}");
        claim(table, "exp beyond a double", "{\"sub\":\"u1\",\"org\":\"acme\",\"exp\":1e400}");
        claim(
                table,
                "exp in milliseconds",
                "{\"sub\":\"u1\",\"org\":\"acme\",\"exp\":" + (clock.seconds() + 60) * 1_000 + "}");
        claim(
                table,
                "exp a day and a second away",
                "{\"sub\":\"u1\",\"org\":\"acme\",\"exp\":" + (clock.seconds() + 86_401) + "}");
        claim(table, "exp twice", "{\"sub\":\"u1\",\"org\":\"acme\"," + exp + "," + exp + "}");
        claim(
                table,
                "life longer than a day by iat",
                claims.replace("{", "{\"iat\":" + (clock.seconds() - 86_400) + ","));
        claim(table, "nbf in the future", claims.replace("{", "{\"nbf\":" + (clock.seconds() + 31) + ","));
        claim(table, "nbf a text", claims.replace("{", "{\"nbf\":\"now\","));
        claim(table, "iat in the future", claims.replace("{", "{\"iat\":" + (clock.seconds() + 31) + ","));
        claim(table, "sub missing", "{\"org\":\"acme\"," + exp + "}");
        claim(table, "sub empty", claims.replace("u1", ""));
        claim(table, "sub a number", claims.replace("\"u1\"", "1"));
        claim(table, "sub too long", claims.replace("u1", "u".repeat(129)));
        claim(table, "sub too long in bytes", claims.replace("u1", "ü".repeat(65)));
        claim(table, "sub with a line break", claims.replace("u1", "u\\n1"));
        claim(table, "sub with a blank", claims.replace("u1", "u 1"));
        claim(table, "sub with a star", claims.replace("u1", "u*"));
        claim(table, "sub with half a surrogate", claims.replace("u1", "u\\ud800"));
        claim(table, "sub twice", claims.replace("{", "{\"sub\":\"admin\","));
        claim(table, "org missing", "{\"sub\":\"u1\"," + exp + "}");
        claim(table, "org the broker's own", claims.replace("acme", "$system"));
        claim(table, "org empty", claims.replace("acme", ""));
        claim(table, "org a list", claims.replace("\"acme\"", "[\"acme\"]"));
        claim(table, "org with NUL", claims.replace("acme", "acme\\u0000"));
        claim(table, "rights a text", claims.replace("[\"sub:chat:*\"]", "\"sub:*\""));
        claim(table, "rights with a number", claims.replace("\"sub:chat:*\"", "1"));
        claim(table, "rights an object", claims.replace("[\"sub:chat:*\"]", "{\"sub\":\"*\"}"));
        claim(
                table,
                "too many rights",
                claims.replace(
                        "\"sub:chat:*\"",
                        IntStream.rangeClosed(0, Rights.COUNT_MAX)
                                .mapToObj(i -> "\"sub:a:" + i + "\"")
                                .collect(Collectors.joining(","))));
        claim(table, "a right too long", claims.replace("sub:chat:*", "sub:" + "c".repeat(257)));
        claim(table, "payload a list", "[" + claims + "]");
        claim(table, "payload not JSON", "sub=u1");
        claim(table, "payload empty", "");
        claim(table, "payload deeply nested", "{\"a\":" + "[".repeat(3_000) + "]".repeat(3_000) + "}");
        claim(table, "JSON and more", claims + claims);
        table.put(
                "payload not UTF-8",
                signedBytes(
                        HEADER.getBytes(StandardCharsets.US_ASCII),
                        claims.replace("u1", "u\u00ff").getBytes(StandardCharsets.ISO_8859_1)));
        return table;
    }

    private static void claim(Map<String, String> table, String name, String payload) throws Exception {
        table.put(name, signed(HEADER, payload));
    }

    @Test
    void noChangedCharacterLeavesATokenValid() throws Exception {
        TokenVerifier verifier = hs256();
        String good = signed(HEADER, claims);
        String alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \u0000é";
        assertThat(verifier.verify(good)).isInstanceOf(Verdict.Accepted.class);
        for (int i = 0; i < good.length(); i++) {
            for (int j = 0; j < alphabet.length(); j++) {
                if (good.charAt(i) != alphabet.charAt(j)) {
                    String mutated = good.substring(0, i) + alphabet.charAt(j) + good.substring(i + 1);
                    assertThat(verifier.verify(mutated)).as(mutated).isInstanceOf(Verdict.Refused.class);
                }
            }
            assertThat(verifier.verify(good.substring(0, i))).isInstanceOf(Verdict.Refused.class);
            assertThat(verifier.verify(good.substring(0, i) + good.substring(i + 1)))
                    .isInstanceOf(Verdict.Refused.class);
        }
    }

    @Test
    void garbageIsRefusedWithoutAnException() throws Exception {
        long seed = new Random().nextLong();
        Random random = new Random(seed);
        TokenVerifier verifier = hs256();
        for (int i = 0; i < 20_000; i++) {
            byte[] header = new byte[random.nextInt(40)];
            byte[] payload = new byte[random.nextInt(60)];
            random.nextBytes(header);
            random.nextBytes(payload);
            String token = random.nextBoolean()
                    ? signedBytes(header, payload)
                    : signedBytes(HEADER.getBytes(StandardCharsets.US_ASCII), payload);
            assertThat(verifier.verify(token)).as("seed=" + seed).isInstanceOf(Verdict.Refused.class);
        }
    }

    @Test
    void aTokenIsGoodUntilItsLastMicrosecondAndNotAtIt() throws Exception {
        TokenVerifier verifier = hs256();
        String token = signed(HEADER, claims);
        clock.advance(Duration.ofSeconds(3_600).minusNanos(1_000));
        assertThat(verifier.verify(token)).isInstanceOf(Verdict.Accepted.class);
        clock.advance(Duration.ofNanos(1_000));
        assertThat(verifier.verify(token))
                .isInstanceOfSatisfying(
                        Verdict.Refused.class,
                        refused -> assertThat(refused.code()).isEqualTo(CloseCode.TOKEN_EXPIRED));
    }

    @Test
    void theIssuersClockMayBeAheadByTheSkewAndNoMore() throws Exception {
        assertThat(verify("{\"nbf\":" + (clock.seconds() + 30) + ",")).isInstanceOf(Verdict.Accepted.class);
        assertThat(verify("{\"iat\":" + (clock.seconds() + 30) + ",")).isInstanceOf(Verdict.Accepted.class);
        assertThat(verify("{\"nbf\":" + (clock.seconds() + 31) + ",")).isInstanceOf(Verdict.Refused.class);
    }

    @Test
    void aDayIsTheLongestLife() throws Exception {
        TokenVerifier verifier = hs256();
        String day = "{\"sub\":\"u\",\"org\":\"o\",\"exp\":" + (clock.seconds() + 86_400) + "}";
        assertThat(verifier.verify(signed(HEADER, day))).isInstanceOf(Verdict.Accepted.class);
    }

    @Test
    void issuerAndAudienceMustMatchWhereTheyAreConfigured() throws Exception {
        TokenVerifier verifier = new TokenVerifier(
                VerificationKeys.ofSecret(SECRET), config(Optional.of("idp"), Optional.of("hermod")), clock);
        assertThat(verifier.verify(signed(HEADER, with("\"iss\":\"idp\",\"aud\":\"hermod\""))))
                .isInstanceOf(Verdict.Accepted.class);
        assertThat(verifier.verify(signed(HEADER, with("\"iss\":\"idp\",\"aud\":[\"x\",\"hermod\"]"))))
                .isInstanceOf(Verdict.Accepted.class);
        for (String wrong : List.of(
                "\"iss\":\"idp\"",
                "\"aud\":\"hermod\"",
                "\"iss\":\"IDP\",\"aud\":\"hermod\"",
                "\"iss\":[\"idp\"],\"aud\":\"hermod\"",
                "\"iss\":\"idp\",\"aud\":[]",
                "\"iss\":\"idp\",\"aud\":\"hermod2\"",
                "\"iss\":\"idp\",\"aud\":[[\"hermod\"]]")) {
            assertThat(verifier.verify(signed(HEADER, with(wrong)))).as(wrong).isInstanceOf(Verdict.Refused.class);
        }
    }

    @Test
    void aKeyInTheHeaderOfAWellSignedTokenChangesNothing() throws Exception {
        String header =
                "{\"alg\":\"HS256\",\"kid\":\"../../etc/passwd\",\"jku\":\"http://127.0.0.1:1/\",\"x5u\":\"http://127.0.0.1:1/\"}";
        assertThat(hs256().verify(signed(header, claims))).isInstanceOf(Verdict.Accepted.class);
    }

    @TestFactory
    Stream<DynamicTest> withEs256OnlyTheListedKeysSign(@TempDir Path dir) throws Exception {
        ECKey one = new ECKeyGenerator(Curve.P_256)
                .keyID("one")
                .keyUse(KeyUse.SIGNATURE)
                .generate();
        ECKey two = new ECKeyGenerator(Curve.P_256).keyID("two").generate();
        ECKey foreign = new ECKeyGenerator(Curve.P_256).keyID("one").generate();
        Path file = Files.writeString(
                dir.resolve("keys.json"),
                new JWKSet(List.of(
                                one.toPublicJWK(),
                                two.toPublicJWK(),
                                new RSAKeyGenerator(2048)
                                        .keyID("rsa")
                                        .generate()
                                        .toPublicJWK()))
                        .toString());
        TokenVerifier verifier = new TokenVerifier(VerificationKeys.ofJwks(file), es256Config(file), clock);
        byte[] publicBytes = one.toECPublicKey().getEncoded();
        Map<String, String> refused = new LinkedHashMap<>();
        refused.put("another key under a known id", es256(foreign, "one", claims));
        refused.put("one key under the other's id", es256(one, "two", claims));
        refused.put("no id where there are two keys", es256(one, null, claims));
        refused.put("an unknown id", es256(one, "three", claims));
        refused.put("the id of the RSA key", es256(one, "rsa", claims));
        refused.put(
                "an HMAC with the public key",
                signed("{\"alg\":\"HS256\",\"kid\":\"one\"}", claims, "HmacSHA256", publicBytes));
        refused.put(
                "an HMAC with the public key that says ES256",
                signed("{\"alg\":\"ES256\",\"kid\":\"one\"}", claims, "HmacSHA256", publicBytes));
        refused.put(
                "a signature of zeros",
                encoded("{\"alg\":\"ES256\",\"kid\":\"one\"}") + "." + encoded(claims) + "."
                        + Base64.getUrlEncoder().withoutPadding().encodeToString(new byte[64]));
        refused.put(
                "a DER signature",
                encoded("{\"alg\":\"ES256\",\"kid\":\"one\"}") + "." + encoded(claims) + "."
                        + Base64.getUrlEncoder().withoutPadding().encodeToString(new byte[] {0x30, 6, 2, 1, 1, 2, 1, 1
                        }));
        refused.put("alg none", encoded("{\"alg\":\"none\",\"kid\":\"one\"}") + "." + encoded(claims) + ".");
        assertThat(verifier.verify(es256(one, "one", claims))).isInstanceOf(Verdict.Accepted.class);
        assertThat(verifier.verify(es256(two, "two", claims))).isInstanceOf(Verdict.Accepted.class);
        return refused.entrySet().stream()
                .map(entry -> DynamicTest.dynamicTest(
                        entry.getKey(),
                        () -> assertThat(verifier.verify(entry.getValue())).isInstanceOf(Verdict.Refused.class)));
    }

    @Test
    void aJwksThatCanNotServeStopsTheStart(@TempDir Path dir) throws Exception {
        ECKey key = new ECKeyGenerator(Curve.P_256).keyID("one").generate();
        ECKey nameless = new ECKeyGenerator(Curve.P_256).generate();
        Path file = dir.resolve("keys.json");
        for (String json : List.of(
                "",
                "{}",
                "[]",
                "{\"keys\":[]}",
                "{\"keys\":[{\"kty\":\"EC\"}]}",
                new JWKSet(key).toString(false),
                new JWKSet(List.of(key.toPublicJWK(), key.toPublicJWK())).toString(),
                new JWKSet(List.of(key.toPublicJWK(), nameless.toPublicJWK())).toString(),
                new JWKSet(new ECKeyGenerator(Curve.P_384)
                                .keyID("p384")
                                .generate()
                                .toPublicJWK())
                        .toString(),
                " ".repeat(64 * 1024) + new JWKSet(key.toPublicJWK()))) {
            Files.writeString(file, json);
            assertThat(catchConfig(file)).as(json.strip()).isNotNull().hasMessageStartingWith(file.toString());
        }
        Files.delete(file);
        assertThat(catchConfig(file)).isNotNull().hasMessageContaining("no such file");
        Files.writeString(file, new JWKSet(nameless.toPublicJWK()).toString());
        TokenVerifier verifier = new TokenVerifier(VerificationKeys.ofJwks(file), es256Config(file), clock);
        assertThat(verifier.verify(es256(nameless, null, claims))).isInstanceOf(Verdict.Accepted.class);
    }

    @Test
    void whatTheMintMakesIsAccepted() throws Exception {
        TokenMint mint = new TokenMint(SECRET, clock);
        String token = mint.mint("u \"q\"".replace(" ", ""), "acme", List.of("pub:*", "urgent"), Duration.ofHours(24));
        Identity identity = ((Verdict.Accepted) hs256().verify(token)).identity();
        assertThat(identity.user()).isEqualTo("u\"q\"");
        assertThat(identity.rights().isUrgent()).isTrue();
        for (List<String> wrong : List.of(List.of("pub"), List.of("pub:"), List.of("pub:a*b"), List.of("root"))) {
            org.assertj.core.api.Assertions.assertThatIllegalArgumentException()
                    .isThrownBy(() -> mint.mint("u", "o", wrong, Duration.ofHours(1)));
        }
    }

    private static ConfigException catchConfig(Path file) {
        try {
            VerificationKeys.ofJwks(file);
            return null;
        } catch (ConfigException refused) {
            return refused;
        }
    }

    private Verdict verify(String start) throws Exception {
        return hs256().verify(signed(HEADER, claims.replace("{", start)));
    }

    private String with(String extra) {
        return "{" + extra + "," + claims.substring(1);
    }

    private TokenVerifier hs256() throws ConfigException {
        return new TokenVerifier(VerificationKeys.ofSecret(SECRET), AdmissionConfig.defaults(), clock);
    }

    private static AdmissionConfig config(Optional<String> issuer, Optional<String> audience) {
        return new AdmissionConfig(
                AdmissionConfig.Algorithm.HS256, Optional.empty(), Optional.empty(), issuer, audience, 30, 86_400, 16);
    }

    private static AdmissionConfig es256Config(Path file) {
        return new AdmissionConfig(
                AdmissionConfig.Algorithm.ES256,
                Optional.empty(),
                Optional.of(file),
                Optional.empty(),
                Optional.empty(),
                30,
                86_400,
                16);
    }

    private String withHeaderKey(ECKey key) throws Exception {
        JWSObject token = new JWSObject(
                new JWSHeader.Builder(JWSAlgorithm.ES256).jwk(key.toPublicJWK()).build(), new Payload(claims));
        token.sign(new ECDSASigner(key));
        return token.serialize();
    }

    private String jwe(EncryptionMethod method) throws Exception {
        JWEObject token = new JWEObject(new JWEHeader(JWEAlgorithm.DIR, method), new Payload(claims));
        token.encrypt(new DirectEncrypter(Arrays.copyOf(SECRET, 32)));
        return token.serialize();
    }

    private static String es256(ECKey key, String keyId, String payload) throws Exception {
        JWSObject token = new JWSObject(
                new JWSHeader.Builder(JWSAlgorithm.ES256).keyID(keyId).build(), new Payload(payload));
        token.sign(new ECDSASigner(key));
        return token.serialize();
    }

    private static String signed(String header, String payload) throws GeneralSecurityException {
        return signed(header, payload, "HmacSHA256", SECRET);
    }

    private static String signedBytes(byte[] header, byte[] payload) throws GeneralSecurityException {
        return signed(header, payload, "HmacSHA256", SECRET);
    }

    private static String signed(String header, String payload, String mac, byte[] key)
            throws GeneralSecurityException {
        return signed(header.getBytes(StandardCharsets.UTF_8), payload.getBytes(StandardCharsets.UTF_8), mac, key);
    }

    private static String signed(byte[] header, byte[] payload, String algorithm, byte[] key)
            throws GeneralSecurityException {
        Base64.Encoder base64 = Base64.getUrlEncoder().withoutPadding();
        String input = base64.encodeToString(header) + "." + base64.encodeToString(payload);
        Mac mac = Mac.getInstance(algorithm);
        mac.init(new SecretKeySpec(key, algorithm));
        return input + "." + base64.encodeToString(mac.doFinal(input.getBytes(StandardCharsets.US_ASCII)));
    }

    private static String encoded(String text) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }
}
