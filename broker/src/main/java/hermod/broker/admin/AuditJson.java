package hermod.broker.admin;

import hermod.broker.audit.AuditRecord;
import hermod.broker.audit.AuditStream;
import hermod.broker.audit.ChainCheck;
import hermod.broker.audit.Finding;
import java.io.ByteArrayOutputStream;
import java.io.StringWriter;
import java.util.List;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/** Writes the audit log as JSON. Keys are only ever added: scripts rely on them. Stateless, any thread. */
final class AuditJson {
    private static final JsonFactory JSON = new JsonFactory();

    private AuditJson() {}

    static byte[] records(List<AuditStream> streams, List<AuditRecord> records) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator out = JSON.createGenerator(ObjectWriteContext.empty(), bytes)) {
            out.writeStartObject();
            out.writeName("streams").writeStartArray();
            streams.forEach(stream -> out.writeString(stream.name()));
            out.writeEndArray();
            out.writeName("records").writeStartArray();
            records.forEach(record -> record(out, record));
            out.writeEndArray();
            out.writeEndObject();
        }
        return bytes.toByteArray();
    }

    /** One record, for a line of its own. */
    static String line(AuditRecord record) {
        StringWriter line = new StringWriter();
        try (JsonGenerator out = JSON.createGenerator(ObjectWriteContext.empty(), line)) {
            record(out, record);
        }
        return line.toString();
    }

    private static void record(JsonGenerator out, AuditRecord record) {
        out.writeStartObject();
        out.writeStringProperty("stream", record.stream());
        out.writeNumberProperty("sequence", record.sequence());
        out.writeNumberProperty("timeUs", record.timeUs());
        out.writeStringProperty("actor", record.actor());
        out.writeStringProperty("who", record.who());
        out.writeStringProperty("org", record.org());
        out.writeStringProperty("action", record.action());
        out.writeStringProperty("subject", record.subject());
        out.writeStringProperty("outcome", record.outcome());
        out.writeName("details").writeStartObject();
        record.details().forEach(out::writeStringProperty);
        out.writeEndObject();
        out.writeNumberProperty("missing", record.missing());
        out.writeStringProperty("hash", record.hash());
        out.writeBooleanProperty("intact", record.isIntact());
        out.writeEndObject();
    }

    static String checks(List<ChainCheck> checks) {
        StringWriter text = new StringWriter();
        try (JsonGenerator out = JSON.createGenerator(ObjectWriteContext.empty(), text)) {
            out.writeStartObject();
            out.writeBooleanProperty("intact", checks.stream().allMatch(ChainCheck::isIntact));
            out.writeName("streams").writeStartArray();
            checks.forEach(check -> check(out, check));
            out.writeEndArray();
            out.writeEndObject();
        }
        return text.toString();
    }

    private static void check(JsonGenerator out, ChainCheck check) {
        out.writeStartObject();
        out.writeStringProperty("stream", check.stream());
        out.writeBooleanProperty("intact", check.isIntact());
        out.writeNumberProperty("records", check.recordCount());
        out.writeNumberProperty("lost", check.lostCount());
        out.writeNumberProperty("headSequence", check.headSequence());
        out.writeStringProperty("headHash", check.headHash());
        out.writeNumberProperty("findings", check.findingCount());
        out.writeName("firstFindings").writeStartArray();
        for (Finding finding : check.findings()) {
            out.writeStartObject();
            out.writeStringProperty("kind", finding.kind().label());
            out.writeNumberProperty("sequence", finding.sequence());
            out.writeStringProperty("expected", finding.expected());
            out.writeStringProperty("found", finding.found());
            out.writeEndObject();
        }
        out.writeEndArray();
        out.writeEndObject();
    }
}
