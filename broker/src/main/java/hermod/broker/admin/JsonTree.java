package hermod.broker.admin;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;

/** Reads an answer of the admin port for the tables; what is missing reads as zero or empty, so that an older broker's answer can be shown too. */
final class JsonTree {
    private static final JsonTree EMPTY = new JsonTree(Map.of());

    private final Map<?, ?> object;

    private JsonTree(Map<?, ?> object) {
        this.object = object;
    }

    /** @throws CliException FAILED if the bytes are no JSON object. */
    static JsonTree parse(byte[] json) {
        try (JsonParser in = new JsonFactory().createParser(ObjectReadContext.empty(), json)) {
            in.nextToken();
            if (value(in) instanceof Map<?, ?> object) {
                return new JsonTree(object);
            }
        } catch (JacksonException broken) {
            throw new CliException(ExitCode.FAILED, "The broker's answer can't be read.", broken);
        }
        throw new CliException(ExitCode.FAILED, "The broker's answer can't be read.");
    }

    String text(String key) {
        Object value = object.get(key);
        return value == null ? "" : value.toString();
    }

    long number(String key) {
        return object.get(key) instanceof Number number ? number.longValue() : 0;
    }

    boolean isTrue(String key) {
        return Boolean.TRUE.equals(object.get(key));
    }

    JsonTree child(String key) {
        return object.get(key) instanceof Map<?, ?> child ? new JsonTree(child) : EMPTY;
    }

    List<String> keys() {
        List<String> keys = new ArrayList<>();
        object.keySet().forEach(key -> keys.add(String.valueOf(key)));
        return keys;
    }

    List<JsonTree> children(String key) {
        List<JsonTree> children = new ArrayList<>();
        if (object.get(key) instanceof List<?> list) {
            for (Object one : list) {
                children.add(one instanceof Map<?, ?> child ? new JsonTree(child) : EMPTY);
            }
        }
        return children;
    }

    List<String> texts(String key) {
        List<String> texts = new ArrayList<>();
        if (object.get(key) instanceof List<?> list) {
            list.forEach(one -> texts.add(String.valueOf(one)));
        }
        return texts;
    }

    private static @Nullable Object value(JsonParser in) {
        JsonToken token = in.currentToken();
        if (token == null) {
            return null;
        }
        return switch (token) {
            case START_OBJECT -> {
                Map<String, @Nullable Object> object = new LinkedHashMap<>();
                while (in.nextToken() == JsonToken.PROPERTY_NAME) {
                    String key = in.currentName();
                    in.nextToken();
                    object.put(key, value(in));
                }
                yield object;
            }
            case START_ARRAY -> {
                List<@Nullable Object> array = new ArrayList<>();
                while (in.nextToken() != JsonToken.END_ARRAY) {
                    array.add(value(in));
                }
                yield array;
            }
            case VALUE_NUMBER_INT -> in.getLongValue();
            case VALUE_NUMBER_FLOAT -> in.getDoubleValue();
            case VALUE_TRUE -> Boolean.TRUE;
            case VALUE_FALSE -> Boolean.FALSE;
            case VALUE_STRING -> in.getString();
            default -> null;
        };
    }
}
