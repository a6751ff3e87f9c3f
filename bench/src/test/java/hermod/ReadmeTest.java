package hermod;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The README stays true where a machine can tell. */
class ReadmeTest {
    private static final Path ROOT = Path.of(System.getProperty("hermod.root", ".."));
    private static final Pattern LINK = Pattern.compile("\\]\\(([^)#:]+)(#[^)]*)?\\)");

    @Test
    void theTenLinesAreTheCompiledExample() throws IOException {
        List<String> example =
                Files.readAllLines(ROOT.resolve("client-sdk/src/examples/java/hermod/examples/TenLines.java"));
        int main = example.indexOf("    public static void main(String[] args) {");
        List<String> body = example.subList(main + 1, example.size() - 2);
        assertThat(body).hasSizeLessThanOrEqualTo(10);
        String shown =
                String.join("\n", body.stream().map(line -> line.substring(8)).toList());
        assertThat(Files.readString(ROOT.resolve("README.md"))).contains(shown);
    }

    @Test
    void everyRelativeLinkOfEveryDocumentLeadsSomewhere() throws IOException {
        try (var files = Files.walk(ROOT)) {
            List<Path> documents = files.filter(file -> file.toString().endsWith(".md"))
                    .filter(file -> !file.toString().contains("/target/"))
                    .filter(file -> !file.toString().contains("/.git/"))
                    .toList();
            assertThat(documents).hasSizeGreaterThan(10);
            for (Path document : documents) {
                Matcher link = LINK.matcher(Files.readString(document));
                while (link.find()) {
                    assertThat(document.resolveSibling(link.group(1)))
                            .as("link in %s", document)
                            .exists();
                }
            }
        }
    }
}
