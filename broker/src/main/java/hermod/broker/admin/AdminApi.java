package hermod.broker.admin;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import hermod.broker.admission.ServiceState;
import hermod.broker.audit.Actor;
import hermod.broker.audit.AuditLog;
import hermod.broker.audit.AuditRecord;
import hermod.broker.audit.AuditSource;
import hermod.broker.audit.AuditStream;
import hermod.broker.audit.NewestFirst;
import hermod.broker.metrics.BrokerStats;
import hermod.broker.metrics.ConnectionStats;
import hermod.broker.metrics.TopicStats;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The operators' HTTP port: health, metrics and figures to read, and a few switches. Loopback only.
 *
 * <pre>
 *  /health                        200 while the process answers
 *  /ready                         200 while clients are served, otherwise 503
 *  /metrics                       Prometheus text
 *  /api/v1/stats?channel=&topic=  JSON; topic=NAME or topic=* adds topicStats
 *  /api/v1/stats?slow=true        JSON; only the slowest consumers, worst first, with the cause
 *  /api/v1/connections            JSON
 *  /api/v1/service                JSON: what is switched off
 *  /api/v1/groups                 JSON: the consumer groups
 *  /api/v1/drain                  JSON: how far a stop has come
 *  /api/v1/audit?stream=&limit=   JSON: the newest audit records, and which chains there are
 *  /api/v1/audit/entries?stream=&from=&count=&backwards=  a page of a chain as it is stored, for checking it elsewhere
 *
 *  POST /api/v1/service?kill=&reason=&confirm-safety=, ?lift=, ?rollout-percent=
 *  POST /api/v1/groups?delete=NAME&org=&channel=
 *  POST /api/v1/drain?delay-ms=&endpoint=A,B
 *  POST /api/v1/subscriptions     replaces those of a user; the body is {"org", "user", "topics": [{"topic", "filter"}], "keepOthers"}
 * </pre>
 *
 * <p>It has no login, so it must not answer a web page: a Host that is not a loopback name is refused, which ends DNS rebinding, and no answer carries a
 * CORS header. What changes something is recorded in the audit log under the name in {@value #OPERATOR_HEADER}, also when it was refused. A POST must carry {@value #OPERATOR_HEADER} and no Origin: a page can't send that header without asking first, and is not answered when it does. Connections, threads, headers and times are bounded; at the bound a connection is closed.
 */
public final class AdminApi implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(AdminApi.class);

    private static final int THREADS = 4;

    /** A connection has at most one request at work, so the executor's queue is never full. */
    private static final int CONNECTIONS_MAX = 64;

    private static final int BACKLOG = 64;
    private static final int QUERY_CHARS_MAX = 2_048;

    /** Rows in one answer. */
    private static final int ROWS_MAX = 20_000;

    private static final Pattern LOOPBACK =
            Pattern.compile("(127\\.0\\.0\\.1|localhost|\\[::1])(:[0-9]{1,5})?", Pattern.CASE_INSENSITIVE);
    private static final String JSON = "application/json; charset=utf-8";
    private static final String TEXT = "text/plain; charset=utf-8";

    /** What makes a POST an operator's. */
    static final String OPERATOR_HEADER = "Hermod-Operator";

    private static final String SERVICE = "/api/v1/service";
    private static final String DRAIN = "/api/v1/drain";
    static final String GROUPS = "/api/v1/groups";
    private static final String SUBSCRIPTIONS = "/api/v1/subscriptions";
    static final String AUDIT = "/api/v1/audit";
    static final String AUDIT_ENTRIES = "/api/v1/audit/entries";

    /** Records in one answer. */
    private static final int AUDIT_RECORDS_MAX = 1_000;

    private static final int AUDIT_RECORDS_DEFAULT = 100;

    /** First byte of a page of entries: this one is the last, the store found the next entries damaged. */
    static final int PAGE_IS_END = 1;

    static final int PAGE_IS_DAMAGED = 2;

    private static final int OPERATOR_CHARS_MAX = 64;

    /** Where more than reading is possible; everything else answers GET. */
    private static final Map<String, List<String>> METHODS = Map.of(
            SERVICE, List.of("GET", "POST"),
            DRAIN, List.of("GET", "POST"),
            GROUPS, List.of("GET", "POST"),
            SUBSCRIPTIONS, List.of("POST"));

    private static final int BODY_BYTES_MAX = 64 * 1024;

    private record Answer(int status, String contentType, byte[] body) {}

    private final HttpServer server;
    private final ThreadPoolExecutor threads;
    private final OperatorView view;
    private final OperatorControls controls;
    private final AuditLog audit;

    private AdminApi(
            HttpServer server,
            ThreadPoolExecutor threads,
            OperatorView view,
            OperatorControls controls,
            AuditLog audit) {
        this.controls = controls;
        this.audit = audit;
        this.server = server;
        this.threads = threads;
        this.view = view;
    }

    /** @throws IOException with a sentence for the operator if the port can't be had. */
    public static AdminApi start(AdminConfig config, OperatorView view, OperatorControls controls, AuditLog audit)
            throws IOException {
        boundTheServer();
        InetSocketAddress address = new InetSocketAddress(InetAddress.getByName(config.host()), config.port());
        HttpServer server;
        try {
            server = HttpServer.create(address, BACKLOG);
        } catch (BindException taken) {
            throw new IOException(
                    "the admin port " + config.port() + " on " + config.host() + " can't be had: " + taken.getMessage()
                            + "; choose another with --admin-port",
                    taken);
        }
        ThreadPoolExecutor threads = new ThreadPoolExecutor(
                THREADS, THREADS, 30, TimeUnit.SECONDS, new ArrayBlockingQueue<>(CONNECTIONS_MAX), work -> {
                    Thread made = new Thread(work, "hermod-admin");
                    made.setDaemon(true);
                    return made;
                });
        threads.allowCoreThreadTimeOut(true);
        AdminApi api = new AdminApi(server, threads, view, controls, audit);
        server.setExecutor(threads);
        server.createContext("/", api::handle);
        server.start();
        return api;
    }

    /** The JDK's server takes its bounds from system properties; what the operator has set stays. */
    private static void boundTheServer() {
        Map<String, String> bounds = Map.of(
                "jdk.httpserver.maxConnections", Integer.toString(CONNECTIONS_MAX),
                "sun.net.httpserver.maxReqHeaders", "64",
                "sun.net.httpserver.maxReqHeaderSize", "16384",
                "sun.net.httpserver.maxReqTime", "5",
                "sun.net.httpserver.maxRspTime", "30",
                "sun.net.httpserver.idleInterval", "15",
                "sun.net.httpserver.nodelay", "true");
        bounds.forEach((name, value) -> {
            if (System.getProperty(name) == null) {
                System.setProperty(name, value);
            }
        });
    }

    /** HOST:PORT with the port that was really bound. */
    public String address() {
        InetSocketAddress bound = server.getAddress();
        String host = bound.getAddress().getHostAddress();
        return (host.contains(":") ? "[::1]" : host) + ":" + bound.getPort();
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            Answer answer;
            try {
                answer = answer(exchange);
            } catch (RuntimeException defect) {
                LOG.error("admin request failed", defect);
                answer = error(500, "The broker failed; the defect is in its log.");
            }
            exchange.getResponseHeaders().set("Content-Type", answer.contentType());
            exchange.getResponseHeaders().set("Cache-Control", "no-store");
            exchange.getResponseHeaders().set("X-Content-Type-Options", "nosniff");
            boolean bodyless = exchange.getRequestMethod().equals("HEAD");
            exchange.sendResponseHeaders(answer.status(), bodyless ? -1 : answer.body().length);
            if (!bodyless) {
                exchange.getResponseBody().write(answer.body());
            }
        }
    }

    private Answer answer(HttpExchange exchange) throws IOException {
        List<String> hosts = exchange.getRequestHeaders().get("Host");
        if (hosts == null
                || hosts.size() != 1
                || !LOOPBACK.matcher(hosts.get(0)).matches()) {
            return error(403, "The Host header must name a loopback address.");
        }
        String path = String.valueOf(exchange.getRequestURI().getPath());
        List<String> methods = METHODS.getOrDefault(path, List.of("GET"));
        if (!methods.contains(exchange.getRequestMethod())) {
            exchange.getResponseHeaders().set("Allow", String.join(", ", methods));
            return error(405, "Only " + String.join(" and ", methods) + " is answered here.");
        }
        String query = exchange.getRequestURI().getRawQuery();
        if (query != null && query.length() > QUERY_CHARS_MAX) {
            return error(400, "The query is longer than " + QUERY_CHARS_MAX + " characters.");
        }
        if (exchange.getRequestMethod().equals("POST")) {
            return change(exchange, path, query == null ? "" : query);
        }
        return switch (path) {
            case "/" ->
                new Answer(
                        200,
                        TEXT,
                        bytes("Hermod. See /health, /ready, /metrics, /api/v1/stats and /api/v1/connections.\n"));
            case "/health" -> new Answer(200, JSON, StatsJson.message("status", "up"));
            case "/ready" ->
                view.isReady()
                        ? new Answer(200, JSON, StatsJson.message("status", "ready"))
                        : new Answer(503, JSON, StatsJson.message("status", "not ready"));
            case "/metrics" ->
                new Answer(200, PrometheusText.CONTENT_TYPE, bytes(PrometheusText.of(view.stats(), view.isReady())));
            case "/api/v1/stats" -> stats(query == null ? "" : query);
            case "/api/v1/connections" -> {
                BrokerStats stats = view.stats();
                List<ConnectionStats> rows = view.connections();
                yield new Answer(200, JSON, StatsJson.connections(stats.connections(), bounded(rows)));
            }
            case SERVICE -> new Answer(200, JSON, StatsJson.service(controls.service()));
            case GROUPS -> new Answer(200, JSON, StatsJson.groups(view.groups()));
            case DRAIN -> new Answer(200, JSON, StatsJson.drain(controls.drainProgress()));
            case AUDIT, AUDIT_ENTRIES -> audit(path, query == null ? "" : query);
            default -> error(404, "There is nothing here.");
        };
    }

    private Answer change(HttpExchange exchange, String path, String query) throws IOException {
        if (!exchange.getRequestHeaders().containsKey(OPERATOR_HEADER)
                || exchange.getRequestHeaders().containsKey("Origin")) {
            return error(403, "A change needs the header " + OPERATOR_HEADER + ", and no page may ask for it.");
        }
        byte[] body = exchange.getRequestBody().readNBytes(BODY_BYTES_MAX + 1);
        if (body.length > BODY_BYTES_MAX) {
            return error(413, "The body is longer than " + BODY_BYTES_MAX + " bytes.");
        }
        Map<String, String> parameters = parameters(query);
        if (parameters == null) {
            return error(400, "The query is malformed.");
        }
        OperatorAction action;
        try {
            action = OperatorAction.of(path, parameters, body);
        } catch (IllegalArgumentException malformed) {
            record(exchange, new OperatorAction(path, "", List.of()), "refused: " + malformed.getMessage());
            return error(400, String.valueOf(malformed.getMessage()));
        }
        if (path.equals(DRAIN)) {
            // The process may end before it could be said afterwards.
            record(exchange, action, "asked");
        }
        String outcome = "failed";
        try {
            byte[] answer = carryOut(path, parameters, action);
            outcome = "done";
            return new Answer(200, JSON, answer);
        } catch (NumberFormatException noNumber) {
            outcome = "refused: no number: " + noNumber.getMessage();
            return error(400, "A number is expected: " + noNumber.getMessage());
        } catch (IllegalArgumentException refused) {
            outcome = "refused: " + refused.getMessage();
            return error(400, String.valueOf(refused.getMessage()));
        } finally {
            if (!path.equals(DRAIN) || !outcome.equals("done")) {
                record(exchange, action, outcome);
            }
        }
    }

    private byte[] carryOut(String path, Map<String, String> parameters, OperatorAction action) {
        return switch (path) {
            case SERVICE -> StatsJson.service(switchService(parameters));
            case DRAIN -> StatsJson.drain(drain(parameters));
            case GROUPS -> {
                controls.deleteGroup(
                        required(parameters, "org"), required(parameters, "channel"), required(parameters, "delete"));
                yield StatsJson.message("status", "deleted");
            }
            default -> {
                List<SubscriptionsOutcome> outcomes = controls.replaceSubscriptions(action.subscriptions());
                yield StatsJson.subscriptions(outcomes);
            }
        };
    }

    private void record(HttpExchange exchange, OperatorAction action, String outcome) {
        String said = exchange.getRequestHeaders().getFirst(OPERATOR_HEADER);
        String who = said == null || said.isBlank() ? AuditLog.UNNAMED : said.strip();
        audit.record(
                Actor.OPERATOR,
                who.length() > OPERATOR_CHARS_MAX ? who.substring(0, OPERATOR_CHARS_MAX) : who,
                action.action(),
                action.subject(),
                outcome,
                action.details().toArray(new String[0]));
    }

    private Answer audit(String path, String query) {
        AuditSource source = audit.source();
        Map<String, String> parameters = parameters(query);
        if (source == null) {
            return error(404, "This broker keeps no audit log.");
        }
        if (parameters == null) {
            return error(400, "The query is malformed.");
        }
        try {
            String name = parameters.getOrDefault("stream", "");
            List<AuditStream> streams = source.streams();
            List<AuditStream> asked = streams.stream()
                    .filter(stream -> name.isEmpty() || stream.name().equals(name))
                    .toList();
            if (asked.isEmpty() && !name.isEmpty()) {
                return error(404, "There is no audit stream of that name.");
            }
            if (path.equals(AUDIT_ENTRIES)) {
                return asked.size() == 1 && !name.isEmpty()
                        ? entries(source, asked.get(0), parameters)
                        : error(400, "Name one stream.");
            }
            int limit = Integer.parseInt(parameters.getOrDefault("limit", Integer.toString(AUDIT_RECORDS_DEFAULT)));
            return new Answer(200, JSON, auditRecords(source, streams, asked, limit));
        } catch (NumberFormatException noNumber) {
            return error(400, "A number is expected: " + noNumber.getMessage());
        } catch (IOException failed) {
            return error(503, "The audit log can't be read: " + failed.getMessage() + ".");
        }
    }

    private static byte[] auditRecords(
            AuditSource source, List<AuditStream> streams, List<AuditStream> asked, int limit) throws IOException {
        NewestFirst all = new NewestFirst(source, limit > 0 ? asked : List.of());
        List<AuditRecord> records = new ArrayList<>();
        while (records.size() < Math.min(limit, AUDIT_RECORDS_MAX)) {
            AuditRecord next = all.next();
            if (next == null) {
                break;
            }
            records.add(next);
        }
        return AuditJson.records(streams, records);
    }

    private static Answer entries(AuditSource source, AuditStream stream, Map<String, String> parameters)
            throws IOException {
        AuditSource.Page page = source.read(
                stream,
                Long.parseLong(parameters.getOrDefault("from", "1")),
                "true".equals(parameters.get("backwards")),
                Integer.parseInt(parameters.getOrDefault("count", Integer.toString(AUDIT_RECORDS_MAX))));
        byte[] body = new byte[1 + page.entries().length];
        body[0] = (byte) ((page.isEnd() ? PAGE_IS_END : 0) | (page.isDamaged() ? PAGE_IS_DAMAGED : 0));
        System.arraycopy(page.entries(), 0, body, 1, page.entries().length);
        return new Answer(200, "application/octet-stream", body);
    }

    private static String required(Map<String, String> parameters, String key) {
        String value = parameters.getOrDefault(key, "");
        if (value.isEmpty()) {
            throw new IllegalArgumentException("give " + key);
        }
        return value;
    }

    private ServiceState switchService(Map<String, String> parameters) {
        String kill = parameters.get("kill");
        String lift = parameters.get("lift");
        String percent = parameters.get("rollout-percent");
        if (kill != null) {
            return controls.kill(
                    kill, parameters.getOrDefault("reason", ""), "true".equals(parameters.get("confirm-safety")));
        }
        if (lift != null) {
            return controls.lift(lift);
        }
        if (percent != null) {
            return controls.rollout(Integer.parseInt(percent));
        }
        throw new IllegalArgumentException("nothing to change: give kill, lift or rollout-percent");
    }

    private DrainProgress drain(Map<String, String> parameters) {
        String endpoints = parameters.getOrDefault("endpoint", "");
        return controls.drain(
                Integer.parseInt(parameters.getOrDefault("delay-ms", "0")),
                endpoints.isEmpty() ? List.of() : List.of(endpoints.split(",", 16)));
    }

    private Answer stats(String query) {
        Map<String, String> parameters = parameters(query);
        if (parameters == null) {
            return error(400, "The query is malformed.");
        }
        if (parameters.getOrDefault("slow", "").equals("true")) {
            return new Answer(200, JSON, StatsJson.slow(view.slowest()));
        }
        String topic = parameters.getOrDefault("topic", "");
        List<TopicStats> topics = null;
        if (!topic.isEmpty()) {
            topics = bounded(view.topics(parameters.getOrDefault("org", ""), topic.equals("*") ? "" : topic));
        }
        return new Answer(200, JSON, StatsJson.stats(view.stats(), parameters.getOrDefault("channel", ""), topics));
    }

    /** @return null if an escape is broken. */
    private static @org.jspecify.annotations.Nullable Map<String, String> parameters(String query) {
        Map<String, String> parameters = new HashMap<>();
        try {
            for (String pair : query.split("&", 16)) {
                int equals = pair.indexOf('=');
                if (equals > 0) {
                    parameters.put(
                            pair.substring(0, equals).toLowerCase(Locale.ROOT),
                            URLDecoder.decode(pair.substring(equals + 1), StandardCharsets.UTF_8));
                }
            }
            return parameters;
        } catch (IllegalArgumentException broken) {
            return null;
        }
    }

    private static <T> List<T> bounded(List<T> rows) {
        return rows.size() > ROWS_MAX ? rows.subList(0, ROWS_MAX) : rows;
    }

    private static Answer error(int status, String sentence) {
        return new Answer(status, JSON, StatsJson.message("error", sentence));
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
