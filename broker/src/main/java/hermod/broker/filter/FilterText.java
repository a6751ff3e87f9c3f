package hermod.broker.filter;

import hermod.protocol.control.wire.Filter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * Filters as operators write and read them. Stateless, any thread.
 *
 * <pre>
 *   propertyId = 17 and (city in (Berlin, 'Bad Homburg') or not sold) and price >= 100000 and price < 250000 and ref starts A-
 *
 *   expression := and { "or" and }        and := part { "and" part }        part := "not" part | "(" expression ")" | test
 *   test       := key [ "=" value | "!=" value | "in" "(" value { "," value } ")" | "starts" value | (">" | ">=" | "&lt;" | "&lt;=") number ]
 * </pre>
 *
 * <p>A key alone asks whether the attribute is there. Keys and values are bare words of letters, digits and {@code _ . : @ / + -}, or stand between quotes, single or double, which are doubled inside.
 */
public final class FilterText {
    private static final int NESTING_MAX = 32;
    private static final Set<String> WORDS = Set.of("and", "or", "not", "in", "starts");

    private final String text;
    private int at;
    private int depth;

    private FilterText(String text) {
        this.text = text;
    }

    /** @throws BadFilterException if the text is no filter. */
    public static Filter parse(String text) throws BadFilterException {
        FilterText parser = new FilterText(text);
        Filter filter = parser.expression();
        if (parser.peek() != 0) {
            throw parser.wrong("and, or, or the end");
        }
        return filter;
    }

    private BadFilterException wrong(String expected) {
        return new BadFilterException("the filter's text is wrong at character " + (at + 1) + ": expected " + expected
                + "; a filter is written like propertyId = 17 and price < 250000");
    }

    private Filter expression() throws BadFilterException {
        if (++depth > NESTING_MAX) {
            throw new BadFilterException("the filter's text nests deeper than " + NESTING_MAX);
        }
        List<Filter> parts = new ArrayList<>();
        do {
            parts.add(conjunction());
        } while (takeWord("or"));
        depth--;
        return parts.size() == 1
                ? parts.get(0)
                : Filter.newBuilder().addAllAny(parts).build();
    }

    private Filter conjunction() throws BadFilterException {
        List<Filter> parts = new ArrayList<>();
        do {
            parts.add(part());
        } while (takeWord("and"));
        return parts.size() == 1
                ? parts.get(0)
                : Filter.newBuilder().addAllAll(parts).build();
    }

    private Filter part() throws BadFilterException {
        if (takeWord("not")) {
            if (++depth > NESTING_MAX) {
                throw new BadFilterException("the filter's text nests deeper than " + NESTING_MAX);
            }
            Filter inner = part();
            depth--;
            return Filter.newBuilder().setNot(inner).build();
        }
        if (take("(")) {
            Filter inner = expression();
            if (!take(")")) {
                throw wrong(")");
            }
            return inner;
        }
        return test();
    }

    private Filter test() throws BadFilterException {
        Filter.Builder test = Filter.newBuilder().setKey(value("a key"));
        if (take("!=")) {
            return Filter.newBuilder().setNot(test.addIn(value("a value"))).build();
        }
        if (take("=")) {
            test.addIn(value("a value"));
        } else if (take(">=")) {
            test.setAtLeast(value("a number"));
        } else if (take(">")) {
            test.setAbove(value("a number"));
        } else if (take("<=")) {
            test.setAtMost(value("a number"));
        } else if (take("<")) {
            test.setBelow(value("a number"));
        } else if (takeWord("starts")) {
            test.setPrefix(value("a value"));
        } else if (takeWord("in")) {
            if (!take("(")) {
                throw wrong("(");
            }
            do {
                test.addIn(value("a value"));
            } while (take(","));
            if (!take(")")) {
                throw wrong(", or )");
            }
        }
        return test.build();
    }

    /** The next character that is no blank, or 0 at the end. */
    private char peek() {
        while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
            at++;
        }
        return at < text.length() ? text.charAt(at) : 0;
    }

    private boolean take(String sign) {
        peek();
        if (text.startsWith(sign, at)) {
            at += sign.length();
            return true;
        }
        return false;
    }

    private boolean takeWord(String word) {
        peek();
        int end = at;
        while (end < text.length() && isBare(text.charAt(end))) {
            end++;
        }
        if (text.substring(at, end).toLowerCase(Locale.ROOT).equals(word)) {
            at = end;
            return true;
        }
        return false;
    }

    private String value(String what) throws BadFilterException {
        char first = peek();
        if (first == '\'' || first == '"') {
            return quoted(first);
        }
        int start = at;
        while (at < text.length() && isBare(text.charAt(at))) {
            at++;
        }
        String bare = text.substring(start, at);
        if (bare.isEmpty() || isReserved(bare)) {
            at = start;
            throw wrong(what);
        }
        return bare;
    }

    private String quoted(char quote) throws BadFilterException {
        StringBuilder value = new StringBuilder();
        for (at++; at < text.length(); at++) {
            if (text.charAt(at) != quote) {
                value.append(text.charAt(at));
            } else if (at + 1 < text.length() && text.charAt(at + 1) == quote) {
                value.append(quote);
                at++;
            } else {
                at++;
                return value.toString();
            }
        }
        throw wrong("the closing quote");
    }

    private static boolean isReserved(String word) {
        return WORDS.contains(word.toLowerCase(Locale.ROOT));
    }

    private static boolean isBare(char each) {
        return Character.isLetterOrDigit(each) || Character.isSurrogate(each) || "_.:@/+-".indexOf(each) >= 0;
    }

    /** The text of a filter that keeps the rules; {@link #parse} makes one of the same meaning of it. */
    public static String of(Filter filter) {
        if (filter.getAllCount() > 0) {
            return joined(filter.getAllList(), " and ");
        }
        if (filter.getAnyCount() > 0) {
            return joined(filter.getAnyList(), " or ");
        }
        if (filter.hasNot()) {
            return "not (" + of(filter.getNot()) + ")";
        }
        String key = word(filter.getKey());
        if (filter.getInCount() == 1) {
            return key + " = " + word(filter.getIn(0));
        }
        if (filter.getInCount() > 0) {
            return key + " in ("
                    + String.join(
                            ", ",
                            filter.getInList().stream().map(FilterText::word).toList()) + ")";
        }
        if (!filter.getPrefix().isEmpty()) {
            return key + " starts " + word(filter.getPrefix());
        }
        List<String> bounds = new ArrayList<>();
        addBound(bounds, key + " >= ", filter.getAtLeast());
        addBound(bounds, key + " > ", filter.getAbove());
        addBound(bounds, key + " <= ", filter.getAtMost());
        addBound(bounds, key + " < ", filter.getBelow());
        return bounds.isEmpty() ? key : String.join(" and ", bounds);
    }

    private static void addBound(List<String> bounds, String before, String number) {
        if (!number.isEmpty()) {
            bounds.add(before + word(number));
        }
    }

    private static String joined(List<Filter> parts, String between) {
        return "("
                + String.join(
                        ") " + between.strip() + " (",
                        parts.stream().map(FilterText::of).toList()) + ")";
    }

    private static String word(String value) {
        boolean isBare = !value.isEmpty() && !isReserved(value) && value.chars().allMatch(each -> isBare((char) each));
        return isBare ? value : "'" + value.replace("'", "''") + "'";
    }
}
