package hermod.broker.admin;

import hermod.broker.audit.AuditSource;
import hermod.broker.audit.AuditStream;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/** The audit log of a running broker, page by page over its admin port; so the check is not made by whom it is about. */
final class AdminAudit implements AuditSource {
    private final AdminClient client;

    AdminAudit(AdminClient client) {
        this.client = client;
    }

    @Override
    public List<AuditStream> streams() {
        return JsonTree.parse(client.get(AdminApi.AUDIT + "?limit=0")).texts("streams").stream()
                .map(name -> new AuditStream(name, 0))
                .toList();
    }

    @Override
    public Page read(AuditStream stream, long from, boolean isBackwards, int countMax) {
        byte[] body = client.get(AdminApi.AUDIT_ENTRIES + "?stream="
                + URLEncoder.encode(stream.name(), StandardCharsets.UTF_8) + "&from=" + from + "&count=" + countMax
                + (isBackwards ? "&backwards=true" : ""));
        if (body.length == 0) {
            throw new CliException(ExitCode.FAILED, "The broker's answer can't be read.");
        }
        return new Page(
                Arrays.copyOfRange(body, 1, body.length),
                (body[0] & AdminApi.PAGE_IS_END) != 0,
                (body[0] & AdminApi.PAGE_IS_DAMAGED) != 0);
    }
}
