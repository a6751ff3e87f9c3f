/* hermod.h - the client's half of the Hermod protocol, version 1, written from PROTOCOL.md and control.proto alone.
 *
 * Reads:  the frame, WELCOME, SUBSCRIBED, OPENED, PUBLISHED, EVENT, PING, PONG, ERROR, CLOSE, the sizes of the later frames.
 * Writes: HELLO, SUBSCRIBE, OPEN, PUBLISH (one event), CREDIT, PING, PONG, CLOSE.
 * LZ4 is never asked for, so COMPRESSED is a bad frame here.  Nothing allocates but the list of topic results.
 * Readers return 0 or a negative HM_ code; what they hand out points into the bytes they were given.
 */
#ifndef HERMOD_H
#define HERMOD_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the wire is little-endian, and so must be this machine"
#endif

enum { HM_HELLO = 0x01, HM_WELCOME = 0x02, HM_REFRESHED = 0x04, HM_CLOSE = 0x05, HM_ERROR = 0x06, HM_PING = 0x08, HM_PONG = 0x09,
       HM_SUBSCRIBE = 0x10, HM_SUBSCRIBED = 0x11, HM_UNSUBSCRIBED = 0x13, HM_OPEN = 0x14, HM_OPENED = 0x15, HM_RESUMED = 0x17,
       HM_PUBLISH = 0x20, HM_PUBLISHED = 0x21, HM_EVENT = 0x22, HM_GAP = 0x23, HM_GAP_CLOSED = 0x24, HM_PROGRESS = 0x25,
       HM_CREDIT = 0x26 };
enum { HM_LZ4_BIT = 1, HM_CREDIT_BIT = 2, HM_RESUME_BIT = 4, HM_GAP_BIT = 8 }; /* features of HELLO and WELCOME */
enum { HM_F_COMPRESSED = 4, HM_F_IGNORE = 8, HM_F_MANY = 16, HM_F_EXCLUDE = 32, HM_F_PRIORITY = 64, HM_F_RESERVED = 128 };
enum { HM_BAD_FRAME = -1, HM_TOO_LONG = -2, HM_UNSUPPORTED = -3 };
enum { HM_FIRST_LIMIT = 16384, HM_PAYLOAD = 262144, HM_LIMIT = HM_PAYLOAD + 16384, HM_HEAD = 16, HM_PUBHEAD = 40, HM_SEQ_SPAN = 1024 };
enum { HM_REFUSED = 1, HM_CLAMPED = 2, HM_DUPLICATE = 3 };
enum { HM_NORMAL = 3500 };

typedef struct { const uint8_t *p; size_t n; } hm_str;
static inline uint16_t hm_u16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return v; }
static inline uint32_t hm_u32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static inline uint64_t hm_u64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }

static int hm_utf8(hm_str s) { /* no overlong form, no surrogate, nothing above U+10FFFF */
  const uint8_t *p = s.p, *end = s.p + s.n;
  while (p < end) {
    uint8_t a = *p++, lo = 0x80, hi = 0xBF; int more;
    if (a < 0x80) continue;
    if (a < 0xC2 || a > 0xF4) return 0;
    if (a < 0xE0) more = 1;
    else if (a < 0xF0) { more = 2; if (a == 0xE0) lo = 0xA0; if (a == 0xED) hi = 0x9F; }
    else { more = 3; if (a == 0xF0) lo = 0x90; if (a == 0xF4) hi = 0x8F; }
    while (more--) { if (p == end || *p < lo || *p > hi) return 0; p++; lo = 0x80; hi = 0xBF; }
  }
  return 1;
}

/* ---------------------------------------------------------------- frames (section 2) */
typedef struct { uint8_t type, flags; uint32_t handle, id; hm_str ext, body; } hm_frame;

/* Bytes of the frame that starts at p; 0 = more is needed; negative = refused.  The length is judged on its own field,
 * the header on its own 16 bytes, both before the rest has come. */
static inline ssize_t hm_read_frame(const uint8_t *p, size_t n, uint32_t limit, hm_frame *f) {
  if (n < 4) return 0;
  uint32_t l = hm_u32(p);
  if (l > limit - 4) return HM_TOO_LONG;
  if (l < 12) return HM_BAD_FRAME;
  if (n < HM_HEAD) return 0;
  uint32_t x = hm_u16(p + 6);
  f->type = p[4]; f->flags = p[5]; f->handle = hm_u32(p + 8); f->id = hm_u32(p + 12);
  if (l < 12 + x || f->flags & (HM_F_RESERVED | HM_F_COMPRESSED)) return HM_BAD_FRAME;
  if (n < 4 + (size_t)l) return 0;
  f->ext = (hm_str){ p + HM_HEAD, x }; f->body = (hm_str){ p + HM_HEAD + x, l - 12 - x };
  if (x) {
    const uint8_t *q = f->ext.p, *end = q + x; int critical = 0;
    while (q < end) {
      if (end - q < 4 || end - q - 4 < hm_u16(q + 2)) return HM_BAD_FRAME;
      if (hm_u16(q) & 0x8000) critical = 1;
      q += 4 + hm_u16(q + 2);
    }
    if (critical) return HM_UNSUPPORTED;
  }
  return 4 + l;
}
static inline uint8_t *hm_put_head(uint8_t *w, int type, int flags, uint32_t handle, uint32_t id, size_t body) {
  uint32_t l = 12 + body; uint16_t x = 0;
  memcpy(w, &l, 4); w[4] = type; w[5] = flags; memcpy(w + 6, &x, 2); memcpy(w + 8, &handle, 4); memcpy(w + 12, &id, 4);
  return w + HM_HEAD;
}

/* ---------------------------------------------------------------- protobuf, by hand */
typedef struct { const uint8_t *p, *end; uint32_t field; int wire, depth; uint64_t v; hm_str s; } hm_pb;
static inline hm_pb hm_begin(hm_str s) { return (hm_pb){ .p = s.p, .end = s.p + s.n }; }
static int hm_varint(hm_pb *b, uint64_t *v) {
  *v = 0;
  for (int sh = 0; sh < 70; sh += 7) {
    if (b->p == b->end) return HM_BAD_FRAME;
    uint8_t x = *b->p++;
    if (sh < 64) *v |= (uint64_t)(x & 127) << sh;
    if (!(x & 128)) return 0;
  }
  return HM_BAD_FRAME;
}
static int hm_next(hm_pb *b) { /* 1 = a field is in b, 0 = the end, negative = no message.  Numbers of all widths land in v. */
  if (b->p == b->end) return 0;
  uint64_t t; if (hm_varint(b, &t) || t >> 32 || !(t >> 3)) return HM_BAD_FRAME;
  b->field = t >> 3; b->wire = t & 7; b->v = 0; b->s = (hm_str){ b->p, 0 };
  size_t left = b->end - b->p;
  switch (b->wire) {
    case 0: return hm_varint(b, &b->v) ? HM_BAD_FRAME : 1;
    case 1: if (left < 8) return HM_BAD_FRAME; b->v = hm_u64(b->p); b->p += 8; return 1;
    case 5: if (left < 4) return HM_BAD_FRAME; b->v = hm_u32(b->p); b->p += 4; return 1;
    case 2: if (hm_varint(b, &t) || t > (size_t)(b->end - b->p)) return HM_BAD_FRAME;
            b->s = (hm_str){ b->p, t }; b->p += t; return 1;
    case 3: { uint32_t f = b->field; int k; /* an unknown group: skipped, as protobuf parsers do */
              if (++b->depth > 100) return HM_BAD_FRAME;
              while ((k = hm_next(b)) == 1);
              if (k != 2 || b->field != f) return HM_BAD_FRAME;
              b->depth--; b->wire = 3; return 1; }
    case 4: return 2;
    default: return HM_BAD_FRAME;
  }
}
static int hm_field(hm_pb *b) { int k = hm_next(b); return k == 2 ? HM_BAD_FRAME : k; } /* hm_next for a message's own level */
static int hm_text(hm_pb *b, hm_str *to) { *to = b->s; return hm_utf8(b->s) ? 0 : HM_BAD_FRAME; }
/* A field whose wire type is not the declared one is an unknown field, and skipped. */
#define HM_IS(b, f, w) ((b).field == (f) && (b).wire == (w))

static inline uint8_t *hm_put_varint(uint8_t *w, uint64_t v) { while (v > 127) { *w++ = v | 128; v >>= 7; } *w++ = v; return w; }
static inline uint8_t *hm_put_num(uint8_t *w, int f, uint64_t v) { return v ? hm_put_varint(hm_put_varint(w, f << 3), v) : w; }
static inline uint8_t *hm_put_fixed64(uint8_t *w, int f, uint64_t v) { if (!v) return w; w = hm_put_varint(w, f << 3 | 1); memcpy(w, &v, 8); return w + 8; }
static inline uint8_t *hm_put_bytes(uint8_t *w, int f, const void *p, size_t n) { w = hm_put_varint(hm_put_varint(w, f << 3 | 2), n); memcpy(w, p, n); return w + n; }
static inline uint8_t *hm_put_text(uint8_t *w, int f, const char *s) { return s && *s ? hm_put_bytes(w, f, s, strlen(s)) : w; }

/* ---------------------------------------------------------------- what the broker says */
typedef struct { hm_str topic, message; int granted, can_publish; uint32_t handle, epoch, code, retry_ms; uint64_t next_offset; } hm_result;
typedef struct { hm_result *v; int n, cap; } hm_results;
typedef struct { uint32_t frame, payload, topics, window_events, per_second; uint64_t window_bytes, bytes_per_second; } hm_limits;
typedef struct {
  uint32_t version, ping_ms, silence_ms; uint64_t features; int64_t expires_us, server_us; int enabled;
  hm_str connection, user, org, reason, region, resume; hm_str endpoints[16]; int nendpoints; hm_results subs; hm_limits lim; int has_limits;
} hm_welcome;
typedef struct { uint32_t code, retry_ms; hm_str message, endpoints[16]; int nendpoints; } hm_verdict; /* CLOSE and ERROR */

static int hm_read_result(hm_str m, hm_result *r) {
  hm_pb b = hm_begin(m); int k; memset(r, 0, sizeof *r);
  while ((k = hm_field(&b)) == 1) {
    if (HM_IS(b, 1, 2)) { if (hm_text(&b, &r->topic)) return HM_BAD_FRAME; }
    else if (HM_IS(b, 2, 0)) r->granted = b.v != 0;
    else if (HM_IS(b, 3, 5)) r->handle = b.v;
    else if (HM_IS(b, 4, 5)) r->epoch = b.v;
    else if (HM_IS(b, 5, 0)) r->next_offset = b.v;
    else if (HM_IS(b, 6, 0)) r->can_publish = b.v != 0;
    else if (HM_IS(b, 7, 0)) r->code = b.v;
    else if (HM_IS(b, 8, 2)) { if (hm_text(&b, &r->message)) return HM_BAD_FRAME; }
    else if (HM_IS(b, 9, 0)) r->retry_ms = b.v;
  }
  return k;
}
static int hm_add_result(hm_results *l, hm_str m) {
  if (l->n == l->cap) { l->cap = l->cap ? l->cap * 2 : 4; l->v = realloc(l->v, l->cap * sizeof *l->v); if (!l->v) abort(); }
  return hm_read_result(m, &l->v[l->n++]);
}
static int hm_read_results(hm_str m, hm_results *l) { /* SUBSCRIBED, OPENED */
  hm_pb b = hm_begin(m); int k; l->n = 0;
  while ((k = hm_field(&b)) == 1) if (HM_IS(b, 1, 2) && hm_add_result(l, b.s)) return HM_BAD_FRAME;
  return k;
}
static int hm_read_limits(hm_str m, hm_limits *l) {
  hm_pb b = hm_begin(m); int k;
  while ((k = hm_field(&b)) == 1) if (b.wire == 0) switch (b.field) {
    case 1: l->frame = b.v; break; case 2: l->payload = b.v; break; case 3: l->topics = b.v; break; case 4: l->window_events = b.v; break;
    case 5: l->window_bytes = b.v; break; case 6: l->per_second = b.v; break; case 7: l->bytes_per_second = b.v;
  }
  return k;
}
static int hm_read_welcome(hm_str m, hm_welcome *w) {
  hm_pb b = hm_begin(m); int k, bad = 0; hm_results keep = w->subs; memset(w, 0, sizeof *w); w->subs = keep; w->subs.n = 0;
  while (!bad && (k = hm_field(&b)) == 1) {
    if (b.wire == 0) switch (b.field) {
      case 1: w->version = b.v; break; case 6: w->enabled = b.v != 0; break; case 11: w->expires_us = b.v; break; case 12: w->server_us = b.v; break;
      case 14: w->ping_ms = b.v; break; case 15: w->silence_ms = b.v;
    }
    else if (HM_IS(b, 2, 1)) w->features = b.v;
    else if (b.wire == 2) switch (b.field) {
      case 3: bad = hm_text(&b, &w->connection); break; case 4: bad = hm_text(&b, &w->user); break; case 5: bad = hm_text(&b, &w->org); break;
      case 7: bad = hm_text(&b, &w->reason); break; case 10: bad = hm_text(&b, &w->region); break;
      case 8: { hm_str e; bad = hm_text(&b, &e); if (w->nendpoints < 16) w->endpoints[w->nendpoints++] = e; break; }
      case 9: bad = hm_add_result(&w->subs, b.s); break;
      case 13: w->has_limits = 1; bad = hm_read_limits(b.s, &w->lim); break;
      case 16: w->resume = b.s;
    }
  }
  return bad ? bad : k;
}
static int hm_read_verdict(hm_str m, hm_verdict *v) {
  hm_pb b = hm_begin(m); int k; memset(v, 0, sizeof *v);
  while ((k = hm_field(&b)) == 1) {
    if (HM_IS(b, 1, 0)) v->code = b.v;
    else if (HM_IS(b, 2, 2)) { if (hm_text(&b, &v->message)) return HM_BAD_FRAME; }
    else if (HM_IS(b, 3, 0)) v->retry_ms = b.v;
    else if (HM_IS(b, 4, 2)) { hm_str e; if (hm_text(&b, &e)) return HM_BAD_FRAME; if (v->nendpoints < 16) v->endpoints[v->nendpoints++] = e; }
  }
  return k;
}

/* PUBLISHED (section 6.2) */
typedef struct { uint32_t first, count, handle; uint64_t offset; } hm_range;
typedef struct { uint32_t id, retry_ms, handle; uint16_t code; uint8_t kind, priority; uint64_t offset; } hm_exception;
static inline int hm_read_published(hm_str b, int *ranges, int *exceptions) {
  if (b.n < 8) return HM_BAD_FRAME;
  *ranges = hm_u16(b.p); *exceptions = hm_u16(b.p + 2);
  return b.n == 8 + 24 * ((size_t)*ranges + *exceptions) ? 0 : HM_BAD_FRAME;
}
static inline hm_range hm_range_at(hm_str b, int i) {
  const uint8_t *p = b.p + 8 + 24 * (size_t)i;
  return (hm_range){ hm_u32(p), hm_u32(p + 4), hm_u32(p + 8), hm_u64(p + 16) };
}
static inline hm_exception hm_exception_at(hm_str b, int i) { /* i counts on from the number of ranges */
  const uint8_t *p = b.p + 8 + 24 * (size_t)i;
  return (hm_exception){ .id = hm_u32(p), .code = hm_u16(p + 4), .kind = p[6], .priority = p[7], .retry_ms = hm_u32(p + 8), .handle = hm_u32(p + 12), .offset = hm_u64(p + 16) };
}

/* EVENT (section 7).  field[t] for t = 1 … 7; p is NULL where the event has not got it.  Tags from 128 on are walked over. */
typedef struct { uint64_t offset; int64_t ts_us; uint32_t ttl; uint16_t type; hm_str fields, payload, field[8]; } hm_event;
static inline int hm_read_event(hm_str b, hm_event *e) {
  if (b.n < 24) return HM_BAD_FRAME;
  size_t n = hm_u16(b.p + 22);
  if (b.n < 24 + n) return HM_BAD_FRAME;
  e->offset = hm_u64(b.p); e->ts_us = (int64_t)hm_u64(b.p + 8); e->ttl = hm_u32(b.p + 16); e->type = hm_u16(b.p + 20);
  e->fields = (hm_str){ b.p + 24, n }; e->payload = (hm_str){ b.p + 24 + n, b.n - 24 - n };
  memset(e->field, 0, sizeof e->field);
  const uint8_t *q = e->fields.p, *end = q + n; int last = 0;
  while (q < end) {
    if (end - q < 3 || *q <= last || end - q - 3 < hm_u16(q + 1)) return HM_BAD_FRAME;
    last = *q; if (last < 8) e->field[last] = (hm_str){ q + 3, hm_u16(q + 1) };
    q += 3 + hm_u16(q + 1);
  }
  if (!e->field[2].p || (e->field[1].p && e->field[1].n != 16) || (e->field[7].p && e->field[7].n != 8)) return HM_BAD_FRAME;
  for (int t = 2; t <= 4; t++) if (e->field[t].p && !hm_utf8(e->field[t])) return HM_BAD_FRAME;
  return 0;
}
static inline int hm_attribute(hm_str *rest, hm_str *key, hm_str *value) { /* 1 = one more, 0 = the end, negative = broken */
  const uint8_t *p = rest->p; size_t n = rest->n; if (!n) return 0;
  size_t k = p[0]; if (n < 3 + k) return HM_BAD_FRAME;
  size_t v = hm_u16(p + 1 + k); if (n < 3 + k + v) return HM_BAD_FRAME;
  *key = (hm_str){ p + 1, k }; *value = (hm_str){ p + 3 + k, v }; *rest = (hm_str){ p + 3 + k + v, n - 3 - k - v };
  return hm_utf8(*key) && hm_utf8(*value) ? 1 : HM_BAD_FRAME;
}
static inline void hm_derived_id(uint8_t id[16], int64_t ts_us, uint32_t epoch, uint64_t offset) { /* the id of an event without field 1 */
  uint64_t ms = (uint64_t)(ts_us / 1000);
  for (int i = 0; i < 6; i++) { id[i] = ms >> (40 - 8 * i); id[10 + i] = offset >> (40 - 8 * i); }
  for (int i = 0; i < 4; i++) id[6 + i] = epoch >> (24 - 8 * i);
}

/* ---------------------------------------------------------------- what the client says */
typedef struct {
  uint32_t min_version, max_version, max_frame; uint64_t features, producer_epoch; int platform;
  const char *token, *device, *app_version, *client_version; const char **subs; int nsubs;
} hm_hello;
static inline size_t hm_hello_room(const hm_hello *h) { /* enough bytes for the frame */
  size_t n = 256 + strlen(h->token ? h->token : "") + strlen(h->device ? h->device : "") + strlen(h->app_version ? h->app_version : "") + strlen(h->client_version ? h->client_version : "");
  for (int i = 0; i < h->nsubs; i++) n += strlen(h->subs[i]) + 8;
  return n;
}
static inline size_t hm_write_hello(uint8_t *to, uint32_t id, const hm_hello *h) {
  uint8_t *w = to + HM_HEAD;
  w = hm_put_num(w, 1, h->min_version); w = hm_put_num(w, 2, h->max_version); w = hm_put_fixed64(w, 3, h->features); w = hm_put_num(w, 4, h->max_frame);
  w = hm_put_text(w, 5, h->token); w = hm_put_text(w, 6, h->device); w = hm_put_num(w, 7, h->platform);
  w = hm_put_text(w, 8, h->app_version); w = hm_put_text(w, 9, h->client_version);
  for (int i = 0; i < h->nsubs; i++) w = hm_put_bytes(w, 10, h->subs[i], strlen(h->subs[i]));
  w = hm_put_fixed64(w, 11, h->producer_epoch);
  hm_put_head(to, HM_HELLO, 0, 0, id, w - to - HM_HEAD); return w - to;
}
static inline uint8_t *hm_put_topic(uint8_t *w, const char *topic) { return hm_put_bytes(w, 1, topic, strlen(topic)); } /* body of SUBSCRIBE and OPEN */
static inline size_t hm_write_ping(uint8_t *to, uint32_t id, int64_t sent) { memcpy(hm_put_head(to, HM_PING, 0, 0, id, 8), &sent, 8); return HM_HEAD + 8; }
static inline size_t hm_write_pong(uint8_t *to, uint32_t id, int64_t ping, int64_t received, int64_t sent) {
  uint8_t *w = hm_put_head(to, HM_PONG, 0, 0, id, 24); memcpy(w, &ping, 8); memcpy(w + 8, &received, 8); memcpy(w + 16, &sent, 8); return HM_HEAD + 24;
}
static inline size_t hm_write_credit(uint8_t *to, uint64_t bytes) { memcpy(hm_put_head(to, HM_CREDIT, 0, 0, 0, 8), &bytes, 8); return HM_HEAD + 8; }
static inline size_t hm_write_close(uint8_t *to, uint32_t code) { /* without a sentence */
  uint8_t *w = hm_put_num(to + HM_HEAD, 1, code); hm_put_head(to, HM_CLOSE, 0, 0, 0, w - to - HM_HEAD); return w - to;
}
/* The 40 bytes before an event's fields; fields and payload follow them. */
static inline void hm_write_publish(uint8_t to[HM_PUBHEAD], int flags, uint32_t handle, uint32_t id, uint64_t seq, int64_t ts_us, uint32_t ttl, uint16_t type, uint16_t fields, size_t payload) {
  uint8_t *w = hm_put_head(to, HM_PUBLISH, flags, handle, id, HM_PUBHEAD - HM_HEAD + fields + payload);
  memcpy(w, &seq, 8); memcpy(w + 8, &ts_us, 8); memcpy(w + 16, &ttl, 4); memcpy(w + 20, &type, 2); memcpy(w + 22, &fields, 2);
}
static inline uint8_t *hm_put_field(uint8_t *w, int tag, const void *p, size_t n) {
  uint16_t l = n; *w++ = tag; memcpy(w, &l, 2); memcpy(w + 2, p, n); return w + 2 + n;
}
#endif
