package hermod.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The table of section 11 is made from the enums: {@code mvn -pl protocol test -Dtest=CodeTableTest -Dhermod.docs.write=true} writes it. */
class CodeTableTest {
    private static final String BEGIN = "<!-- codes:begin";
    private static final String END = "<!-- codes:end -->";

    @Test
    void theTableOfCodesInTheProtocolsPageIsTheOneOfTheEnums() throws IOException {
        Path page = Path.of(System.getProperty("hermod.root", ".."), "protocol", "PROTOCOL.md");
        String text = Files.readString(page);
        int from = text.indexOf('\n', text.indexOf(BEGIN)) + 1;
        int to = text.indexOf(END);
        if (Boolean.getBoolean("hermod.docs.write")) {
            Files.writeString(page, text.substring(0, from) + table() + text.substring(to));
            return;
        }
        assertThat(text.substring(from, to))
                .as("PROTOCOL.md is stale; write it with -Dtest=CodeTableTest -Dhermod.docs.write=true")
                .isEqualTo(table());
    }

    private static String table() {
        StringBuilder table = new StringBuilder("| code | name | meaning |\n|---|---|---|\n");
        for (ErrorCode code : ErrorCode.values()) {
            row(table, code.code(), code.name(), code.meaning());
        }
        for (CloseCode code : CloseCode.values()) {
            row(table, code.code(), code.name(), code.meaning());
        }
        return table.toString();
    }

    private static void row(StringBuilder table, int code, String name, String meaning) {
        table.append("| %d | %s | %s |%n".formatted(code, name, meaning));
    }
}
