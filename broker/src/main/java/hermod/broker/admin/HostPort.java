package hermod.broker.admin;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** An address as users write it: {@code HOST:PORT}, {@code [::1]:PORT}. Immutable. */
record HostPort(String host, int port) {
    private static final Pattern TEXT = Pattern.compile("(\\[[0-9a-fA-F:.]+]|[^:\\[\\]\\s/]+):([0-9]{1,5})");

    /** @throws CliException USAGE. */
    static HostPort parse(String text, String option) {
        Matcher matcher = TEXT.matcher(text);
        if (!matcher.matches()
                || Integer.parseInt(matcher.group(2)) > 65_535
                || Integer.parseInt(matcher.group(2)) == 0) {
            throw new CliException(
                    ExitCode.USAGE,
                    option + " must be HOST:PORT with a port from 1 to 65535, for example 127.0.0.1:7402.");
        }
        return new HostPort(matcher.group(1), Integer.parseInt(matcher.group(2)));
    }

    /** Without the brackets of an IPv6 address. */
    String connectHost() {
        return host.startsWith("[") ? host.substring(1, host.length() - 1) : host;
    }

    @Override
    public String toString() {
        return host + ":" + port;
    }
}
