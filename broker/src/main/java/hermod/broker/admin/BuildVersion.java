package hermod.broker.admin;

import java.io.IOException;
import java.io.InputStream;
import java.util.Properties;

/** Which build this is. */
public final class BuildVersion {
    private static final String RESOURCE = "/META-INF/maven/hermod/hermod-broker/pom.properties";

    private BuildVersion() {}

    /** The version the jar was built as, or {@code development} where the classes are not from a jar. */
    public static String text() {
        try (InputStream in = BuildVersion.class.getResourceAsStream(RESOURCE)) {
            if (in != null) {
                Properties properties = new Properties();
                properties.load(in);
                return properties.getProperty("version", "development");
            }
        } catch (IOException unreadable) {
            return "development";
        }
        return "development";
    }
}
