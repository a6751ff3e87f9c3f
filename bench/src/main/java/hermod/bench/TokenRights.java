package hermod.bench;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Reads, without checking it, what a token says its bearer may do, so that a result tells which limits were lifted. Stateless, any thread. */
final class TokenRights {
    private static final String UNREADABLE = "as in the given token, which could not be read";

    private TokenRights() {}

    static String of(String token) {
        String[] parts = token.split("\\.", -1);
        if (parts.length != 3) {
            return UNREADABLE;
        }
        try {
            byte[] claims = Base64.getUrlDecoder().decode(parts[1]);
            JsonNode rights = JsonMapper.builder()
                    .build()
                    .readTree(new String(claims, StandardCharsets.UTF_8))
                    .path("rights");
            List<String> texts = new ArrayList<>();
            rights.forEach(right -> texts.add(right.asString()));
            return texts.isEmpty() ? "none in the given token" : String.join(", ", texts);
        } catch (IllegalArgumentException | JacksonException noJwt) {
            return UNREADABLE;
        }
    }
}
