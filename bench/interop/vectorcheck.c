/* vectorcheck.c - holds hermod.h against the protocol's test vectors.       usage: vectorcheck FILE.json ...   (make check)
 *
 * Valid frames the client reads: every number, text and byte of the vector is compared with what the parser found; every
 * shorter piece of the frame must be answered with "more".  Valid frames the client writes: encoding the vector's fields
 * must give its bytes.  Broken bytes for a client must be refused with the vector's error, those of the frame layer also
 * where they are meant for a broker.  Everything else is counted as passed over.  Exit 1 on a mismatch.
 */
#include <ctype.h>
#include <stdio.h>
#include "hermod.h"

/* ---------------------------------------------------------------- JSON: enough for the vectors */
typedef struct json { char kind; char *key, *s; size_t n; struct json *kid, *next; } json; /* kind: s text, n number, b bool, o, a */
enum { TEXT_BYTES = 1 << 18 }; /* the longest frame in hex */
static const char *jp; static const char *file, *name = "-"; static int failures, decoded, encoded, refusals, skipped;
static void fail(const char *what) { printf("FAIL %s: %s: %s\n", file, name, what); failures++; }
static void sp(void) { while (isspace((unsigned char)*jp)) jp++; }
static char *text(size_t *n) {
  char *out = malloc(strlen(jp) < TEXT_BYTES ? strlen(jp) + 1 : TEXT_BYTES), *w = out; jp++;
  while (*jp != '"') {
    if (!*jp || w - out > TEXT_BYTES - 8) { fprintf(stderr, "%s: no JSON\n", file); exit(2); }
    if (*jp != '\\') { *w++ = *jp++; continue; }
    char c = *++jp; jp++;
    if (c == 'u') { unsigned v; sscanf(jp, "%4x", &v); jp += 4;
      if (v < 0x80) *w++ = v; else if (v < 0x800) { *w++ = 0xC0 | v >> 6; *w++ = 0x80 | (v & 63); }
      else { *w++ = 0xE0 | v >> 12; *w++ = 0x80 | (v >> 6 & 63); *w++ = 0x80 | (v & 63); } }
    else *w++ = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'b' ? '\b' : c == 'f' ? '\f' : c;
  }
  jp++; *w = 0; *n = w - out; return realloc(out, *n + 1);
}
static json *value(void) {
  json *j = calloc(1, sizeof *j), **tail = &j->kid; sp();
  if (*jp == '"') { j->kind = 's'; j->s = text(&j->n); return j; }
  if (*jp == '{' || *jp == '[') {
    j->kind = *jp == '{' ? 'o' : 'a'; char end = *jp == '{' ? '}' : ']'; jp++;
    for (sp(); *jp != end; sp()) {
      char *key = 0; size_t n; if (*jp == ',') { jp++; sp(); }
      if (end == '}') { key = text(&n); sp(); jp++; }
      *tail = value(); (*tail)->key = key; tail = &(*tail)->next;
    }
    jp++; return j;
  }
  const char *a = jp; while (*jp && !strchr(",]} \n\r\t", *jp)) jp++;
  if (jp == a) { fprintf(stderr, "%s: no JSON\n", file); exit(2); }
  j->kind = isalpha((unsigned char)*a) ? 'b' : 'n'; j->n = jp - a; j->s = strndup(a, j->n); return j;
}
static json *get(json *o, const char *key) { if (o) for (json *k = o->kid; k; k = k->next) if (k->key && !strcmp(k->key, key)) return k; return 0; }
static const char *str(json *o, const char *key) { json *j = get(o, key); return j ? j->s : ""; }
static uint64_t num(json *o, const char *key) { const char *s = str(o, key); return *s == '-' ? (uint64_t)strtoll(s, 0, 10) : strtoull(s, 0, 10); }
static int yes(json *o, const char *key) { return !strcmp(str(o, key), "true"); }
static int count(json *a) { int n = 0; if (a) for (json *k = a->kid; k; k = k->next) n++; return n; }
static uint8_t *hex(const char *s, size_t *n) {
  *n = strlen(s) / 2; uint8_t *b = malloc(*n + 1); for (size_t i = 0; i < *n; i++) { unsigned v; sscanf(s + 2 * i, "%2x", &v); b[i] = v; } return b;
}

/* ---------------------------------------------------------------- comparing */
static void is(const char *what, uint64_t got, uint64_t want) { if (got != want) { char t[200]; snprintf(t, sizeof t, "%s is %llu, not %llu", what, (unsigned long long)got, (unsigned long long)want); fail(t); } }
static void isnum(json *o, const char *key, uint64_t got) { is(key, got, num(o, key)); }
static void isstr(json *o, const char *key, hm_str got) { json *j = get(o, key); size_t n = j ? j->n : 0; if (n != got.n || (n && memcmp(j->s, got.p, n))) fail(key); }
static void ishex(json *o, const char *key, hm_str got) { size_t n; uint8_t *b = hex(str(o, key), &n); if (n != got.n || (n && memcmp(b, got.p, n))) fail(key); free(b); }
static void isfield(json *o, const char *key, hm_str got, int text) {
  if (!get(o, key) != !got.p) fail(key); else if (text) isstr(o, key, got); else ishex(o, key, got);
}
static void results(json *a, hm_results *l) {
  is("results", l->n, count(a)); int i = 0;
  if (a) for (json *k = a->kid; k && i < l->n; k = k->next, i++) {
    hm_result *r = &l->v[i]; isstr(k, "topic", r->topic); is("granted", r->granted, yes(k, "granted")); is("can_publish", r->can_publish, yes(k, "can_publish"));
    isnum(k, "handle", r->handle); isnum(k, "epoch", r->epoch); isnum(k, "next_offset", r->next_offset); isnum(k, "code", r->code); isstr(k, "message", r->message); isnum(k, "retry_after_ms", r->retry_ms);
  }
}
static void strings(json *o, const char *key, hm_str *v, int n) {
  json *a = get(o, key); is(key, n, count(a)); int i = 0;
  if (a) for (json *k = a->kid; k && i < n; k = k->next, i++) if (k->n != v[i].n || memcmp(k->s, v[i].p, k->n)) fail(key);
}

/* Reads a frame as the client does: 1 = read, 0 = a frame the client does not read, negative = refused. */
typedef struct { hm_welcome w; hm_results l; hm_verdict v; hm_event e; int ranges, exceptions; } read_;
static int read_body(hm_frame *f, read_ *r) {
  int k = 0;
  switch (f->type) {
    case HM_WELCOME: k = hm_read_welcome(f->body, &r->w); break;
    case HM_SUBSCRIBED: case HM_OPENED: k = hm_read_results(f->body, &r->l); break;
    case HM_CLOSE: case HM_ERROR: k = hm_read_verdict(f->body, &r->v); break;
    case HM_PUBLISHED: k = hm_read_published(f->body, &r->ranges, &r->exceptions); break;
    case HM_EVENT: k = hm_read_event(f->body, &r->e); break;
    case HM_PING: case HM_PROGRESS: k = f->body.n == 8 ? 0 : HM_BAD_FRAME; break;
    case HM_PONG: case HM_GAP: k = f->body.n == 24 ? 0 : HM_BAD_FRAME; break;
    case HM_GAP_CLOSED: k = f->body.n == 16 ? 0 : HM_BAD_FRAME; break;
    default: return 0;
  }
  return k < 0 ? k : 1;
}
static void check_read(json *fields, uint8_t *p, size_t n) {
  static read_ r; hm_frame f = { 0 }; json *b = get(fields, "body");
  ssize_t k = hm_read_frame(p, n, HM_LIMIT, &f);
  if (k != (ssize_t)n) { fail("the frame is not read"); return; }
  for (size_t i = 0; i < n; i++) { uint8_t *part = malloc(i + 1); memcpy(part, p, i); hm_frame g; if (hm_read_frame(part, i, HM_LIMIT, &g)) { fail("a part of the frame is taken for it"); i = n; } free(part); }
  isnum(fields, "type", f.type); isnum(fields, "flags", f.flags); isnum(fields, "handle", f.handle); isnum(fields, "requestId", f.id); ishex(fields, "extensions", f.ext);
  int known = read_body(&f, &r);
  if (known < 0) { fail("the body is refused"); return; }
  if (!known) { if (strcmp(str(b, "bytes"), "") || f.flags & HM_F_IGNORE) { ishex(b, "bytes", f.body); decoded++; } else skipped++; return; }
  decoded++;
  switch (f.type) {
    case HM_WELCOME: {
      json *l = get(b, "limits");
      isnum(b, "version", r.w.version); isnum(b, "features", r.w.features); isstr(b, "connection_id", r.w.connection); isstr(b, "user_id", r.w.user); isstr(b, "org", r.w.org);
      is("service_enabled", r.w.enabled, yes(b, "service_enabled")); isstr(b, "service_reason", r.w.reason); strings(b, "endpoints", r.w.endpoints, r.w.nendpoints); results(get(b, "subscriptions"), &r.w.subs);
      isstr(b, "home_region", r.w.region); isnum(b, "token_expires_at_us", r.w.expires_us); isnum(b, "server_time_us", r.w.server_us); isnum(b, "ping_interval_ms", r.w.ping_ms); isnum(b, "silence_timeout_ms", r.w.silence_ms);
      ishex(b, "resume_token", r.w.resume); is("limits", r.w.has_limits, l != 0);
      isnum(l, "frame_bytes", r.w.lim.frame); isnum(l, "payload_bytes", r.w.lim.payload); isnum(l, "topics_per_connection", r.w.lim.topics); isnum(l, "publish_window_events", r.w.lim.window_events);
      isnum(l, "publish_window_bytes", r.w.lim.window_bytes); isnum(l, "publishes_per_second", r.w.lim.per_second); isnum(l, "publish_bytes_per_second", r.w.lim.bytes_per_second);
      break;
    }
    case HM_SUBSCRIBED: case HM_OPENED: results(get(b, "results"), &r.l); break;
    case HM_CLOSE: case HM_ERROR: isnum(b, "code", r.v.code); isstr(b, "message", r.v.message); isnum(b, "retry_after_ms", r.v.retry_ms); strings(b, "endpoints", r.v.endpoints, r.v.nendpoints); break;
    case HM_PUBLISHED: {
      int i = 0; is("ranges", r.ranges, count(get(b, "ranges"))); is("exceptions", r.exceptions, count(get(b, "exceptions")));
      for (json *k = get(b, "ranges")->kid; k && i < r.ranges; k = k->next) {
        hm_range g = hm_range_at(f.body, i++); isnum(k, "firstRequestId", g.first); isnum(k, "count", g.count); isnum(k, "handle", g.handle); isnum(k, "firstOffset", g.offset); }
      for (json *k = get(b, "exceptions")->kid; k && i < r.ranges + r.exceptions; k = k->next) {
        hm_exception x = hm_exception_at(f.body, i++); isnum(k, "requestId", x.id); isnum(k, "code", x.code); isnum(k, "kind", x.kind); isnum(k, "priority", x.priority);
        isnum(k, "retryAfterMs", x.retry_ms); isnum(k, "handle", x.handle); isnum(k, "offset", x.offset); }
      break;
    }
    case HM_EVENT: {
      json *g = get(b, "fields"), *at = get(g, "attributes"), *d = get(b, "derivedId"); hm_str rest = r.e.field[5], key, val; int more;
      isnum(b, "offset", r.e.offset); isnum(b, "timestampUs", r.e.ts_us); isnum(b, "ttl", r.e.ttl); isnum(b, "type", r.e.type); ishex(b, "payload", r.e.payload);
      isfield(g, "eventId", r.e.field[1], 0); isfield(g, "source", r.e.field[2], 1); isfield(g, "target", r.e.field[3], 1); isfield(g, "typeName", r.e.field[4], 1); isfield(g, "metadata", r.e.field[6], 0);
      if (!at != !rest.p) fail("attributes");
      json *k = at ? at->kid : 0;
      while ((more = hm_attribute(&rest, &key, &val)) == 1) {
        if (!k || strlen(k->key) != key.n || memcmp(k->key, key.p, key.n) || k->n != val.n || memcmp(k->s, val.p, val.n)) { fail("attribute"); break; }
        k = k->next; }
      if (k || more < 0) fail("attributes");
      if (!get(g, "excludedDevice") != !r.e.field[7].p) fail("excludedDevice"); else if (r.e.field[7].p) isnum(g, "excludedDevice", hm_u64(r.e.field[7].p));
      if (d) { uint8_t id[16]; hm_derived_id(id, r.e.ts_us, num(d, "epoch"), r.e.offset); ishex(d, "eventId", (hm_str){ id, 16 }); }
      break;
    }
    case HM_PING: isnum(b, "sentUs", hm_u64(f.body.p)); break;
    case HM_PONG: isnum(b, "pingSentUs", hm_u64(f.body.p)); isnum(b, "receivedUs", hm_u64(f.body.p + 8)); isnum(b, "sentUs", hm_u64(f.body.p + 16)); break;
    case HM_GAP: isnum(b, "from", hm_u64(f.body.p)); isnum(b, "to", hm_u64(f.body.p + 8)); isnum(b, "reason", hm_u16(f.body.p + 16)); break;
    case HM_GAP_CLOSED: isnum(b, "from", hm_u64(f.body.p)); isnum(b, "to", hm_u64(f.body.p + 8)); break;
    case HM_PROGRESS: isnum(b, "offset", hm_u64(f.body.p)); break;
  }
}

static uint8_t *put_hexfield(uint8_t *w, int tag, const char *h) { size_t n; uint8_t *b = hex(h, &n); w = hm_put_field(w, tag, b, n); free(b); return w; }
static size_t write_frame(json *fields, uint8_t *to) { /* 0 = not a frame the client writes */
  json *b = get(fields, "body"); uint32_t id = num(fields, "requestId"); uint8_t *w = to + HM_HEAD;
  if (*str(fields, "extensions") || get(b, "filtered")) return 0; /* it has no filters */
  switch (num(fields, "type")) {
    case HM_HELLO: {
      static const char *P[] = { "PLATFORM_UNSPECIFIED", "PLATFORM_WEB", "PLATFORM_IOS", "PLATFORM_ANDROID", "PLATFORM_SERVER", "PLATFORM_CLI" }; const char *subs[64]; int n = 0, p = 0;
      json *a = get(b, "subscriptions"); if (a) for (json *k = a->kid; k && n < 64; k = k->next) subs[n++] = k->s;
      for (int i = 0; i < 6; i++) if (!strcmp(P[i], str(b, "platform"))) p = i;
      hm_hello h = { num(b, "min_version"), num(b, "max_version"), num(b, "max_frame_bytes"), num(b, "features"), num(b, "producer_epoch"), p, str(b, "token"), str(b, "device_id"), str(b, "app_version"), str(b, "client_version"), subs, n };
      return hm_write_hello(to, id, &h);
    }
    case HM_SUBSCRIBE: case HM_OPEN: { json *a = get(b, "topics"); if (a) for (json *k = a->kid; k; k = k->next) w = hm_put_topic(w, k->s);
      hm_put_head(to, num(fields, "type"), num(fields, "flags"), num(fields, "handle"), id, w - to - HM_HEAD); return w - to; }
    case HM_PING: return hm_write_ping(to, id, num(b, "sentUs"));
    case HM_PONG: return hm_write_pong(to, id, num(b, "pingSentUs"), num(b, "receivedUs"), num(b, "sentUs"));
    case HM_CLOSE: if (get(b, "message") || get(b, "endpoints")) return 0; return hm_write_close(to, num(b, "code"));
    case HM_PUBLISH: {
      if (num(fields, "flags") & HM_F_MANY) return 0;
      json *v = get(b, "events")->kid, *g = get(v, "fields"), *k; size_t n; uint8_t *pay = hex(str(v, "payload"), &n), *at; w = to + HM_PUBHEAD;
      if (get(g, "eventId")) w = put_hexfield(w, 1, str(g, "eventId"));
      if ((k = get(g, "target"))) w = hm_put_field(w, 3, k->s, k->n);
      if ((k = get(g, "typeName"))) w = hm_put_field(w, 4, k->s, k->n);
      if ((k = get(g, "attributes"))) { /* key and value lengths of one entry after the other, then the whole field's length */
        at = w; w = hm_put_field(w, 5, "", 0);
        for (json *e = k->kid; e; e = e->next) { uint16_t l = e->n; *w++ = strlen(e->key); memcpy(w, e->key, w[-1]); w += w[-1]; memcpy(w, &l, 2); memcpy(w + 2, e->s, l); w += 2 + l; }
        uint16_t l = w - at - 3; memcpy(at + 1, &l, 2);
      }
      if (get(g, "metadata")) w = put_hexfield(w, 6, str(g, "metadata"));
      if ((k = get(g, "key"))) w = hm_put_field(w, 8, k->s, k->n);
      if (get(g, "expectedVersion")) { uint64_t version = num(g, "expectedVersion"); w = hm_put_field(w, 9, &version, 8); }
      if (get(g, "deleted")) w = hm_put_field(w, 10, "", 0);
      if ((k = get(g, "passedThrough"))) for (json *e = k->kid; e; e = e->next) w = put_hexfield(w, atoi(e->key), e->s);
      hm_write_publish(to, num(fields, "flags"), num(fields, "handle"), id, num(b, "sequence"), num(v, "timestampUs"), num(v, "ttl"), num(v, "type"), w - to - HM_PUBHEAD, n);
      memcpy(w, pay, n); free(pay); return w + n - to;
    }
  }
  return 0;
}
static void check_valid(json *v, uint8_t *p, size_t n) {
  static const char *reads[] = { "WELCOME", "SUBSCRIBED", "OPENED", "PUBLISHED", "EVENT", "PING", "PONG", "ERROR", "CLOSE", "UNKNOWN", "GAP", "GAP_CLOSED", "PROGRESS", 0 };
  static uint8_t out[1 << 20]; json *fields = get(v, "fields"); int touched = 0; size_t k;
  for (int i = 0; reads[i]; i++) if (!strcmp(reads[i], str(v, "frame"))) { check_read(fields, p, n); touched = 1; }
  if (get(v, "canonical") && !yes(v, "canonical")) { skipped += !touched; return; }
  if ((k = write_frame(fields, out))) { encoded++; if (k != n || memcmp(out, p, n)) fail("encoded to other bytes"); }
  else skipped += !touched;
}
/* types a broker may send; loadgen closes on any other without IGNORE_IF_UNKNOWN */
static int for_client(int type) {
  static const uint8_t types[] = { 0x02, 0x04, 0x05, 0x06, 0x08, 0x09, 0x11, 0x13, 0x15, 0x17, 0x19, 0x21, 0x22, 0x23, 0x24, 0x25 };
  return memchr(types, type, sizeof types) != NULL;
}
static void check_broken(json *v, uint8_t *p, size_t n) {
  const char *want = str(v, "error"), *got = "none"; int client = !strcmp(str(v, "receiver"), "client"); size_t o = 0; ssize_t k = 0; static read_ r;
  if (get(v, "agreed")) { skipped++; return; } /* of a feature this client never agrees to */
  uint32_t limit = !strcmp(str(v, "state"), "handshake") ? HM_FIRST_LIMIT : HM_LIMIT; int unlooked = 0;
  while (o < n) {
    hm_frame f; k = hm_read_frame(p + o, n - o, limit, &f); if (k <= 0) break;
    o += k; if (client && !for_client(f.type) && !(f.flags & HM_F_IGNORE)) { got = "UNKNOWN_FRAME"; break; }
    unlooked |= !for_client(f.type); /* a client that does not know the type skips it, whatever its body is */
    if (client && read_body(&f, &r) < 0) { k = HM_BAD_FRAME; break; }
  }
  if (k < 0) got = k == HM_TOO_LONG ? "FRAME_TOO_LONG" : k == HM_UNSUPPORTED ? "UNSUPPORTED" : "BAD_FRAME";
  if (client && k >= 0 && unlooked) { skipped++; return; }
  if (!client && k >= 0) { if (!strcmp(want, "FRAME_TOO_LONG")) fail("not refused"); skipped++; return; } /* wrong for a broker, behind the frame layer */
  refusals++; if (strcmp(got, want)) { char t[100]; snprintf(t, sizeof t, "refused with %s, not %s", got, want); fail(t); }
}
int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    file = argv[i]; FILE *h = fopen(file, "rb"); if (!h) { perror(file); return 2; }
    fseek(h, 0, SEEK_END); long n = ftell(h); rewind(h); char *t = malloc(n + 1); if (fread(t, 1, n, h) != (size_t)n) return 2; t[n] = 0; fclose(h);
    jp = t; name = "-"; json *all = value();
    for (json *v = all->kid; v; v = v->next) {
      size_t m; uint8_t *b = hex(str(v, "hex"), &m); name = str(v, "name");
      if (get(v, "error")) check_broken(v, b, m); else check_valid(v, b, m);
      free(b);
    }
    free(t);
  }
  printf("%s: %d frames read, %d written, %d refused, %d passed over, %d mismatches\n", failures || !decoded ? "FAIL" : "PASS", decoded, encoded, refusals, skipped, failures);
  return failures || !decoded ? 1 : 0;
}
