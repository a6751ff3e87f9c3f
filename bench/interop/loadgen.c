/* loadgen.c - one neutral load generator for several wire protocols (single thread, epoll).
 *
 * ADDING A PROTOCOL takes one `proto` entry, four small functions, under 150 lines:
 *
 *   hello(c)                      append the handshake bytes to c->out           (W() and WF() help)
 *   sub(c, chan)                  append the subscribe request to c->out; answered with an EV_SUBOK of its own
 *   pub(c, chan, seq, pay, n)     append one publish frame to c->out; seq counts publishes of this connection
 *   parse(c, p, n, ev)            look at n received bytes: return bytes used by ONE complete frame,
 *                                 0 = need more, -1 = protocol error (put a word in ev->err).  Set ev->kind:
 *                                   EV_READY  handshake accepted        EV_SUBOK  subscription is live
 *                                   EV_MSG    a delivery: ev->pay, ev->len point into p
 *                                   EV_ACK    a publish was acknowledged: ev->key (see ackkey)
 *                                   EV_CLOSED the peer said goodbye     EV_NONE   anything else; replies (PONG, PUBACK) go to c->out
 *                                 One frame that answers many publishes calls on_ack() and on_refused() itself, with ev->t.
 *   ackkey(seq)                   the 16-bit key under which publish `seq` will be acknowledged
 *   room(c), tick(c, t), bye(c)   may be NULL: may c publish one more now?  called about once a second; last words
 *   submany(c, chan, step, n)     may be NULL: subscribe to n channels with fewer requests; c->subs must rise by n
 *
 * c->st[] is four words of private state per connection, c->hm is Hermod's.  Everything else (sockets, pacing, latency, windows,
 * loss and order checks, CPU accounting) is shared by all protocols, so that peers differ only by wire format.
 *
 * Payload (min 32 bytes): u64 intended send time (CLOCK_MONOTONIC ns) | u64 seq per (publisher) | u32 publisher
 * | u32 run id | u64 global number | filler (topics: u32 channel | filler).  Latency = arrival - INTENDED send time, so a stalled generator or
 * broker is charged for every message it delayed (no coordinated omission).
 *
 * Modes: pingpong | rate | flood | topics | ack | idle | slow  see usage() below
 * Output: one line of key=value pairs starting with RESULT.  acked = publishes acknowledged (a duplicate is one), refused = answered
 * with a refusal.  For protocols that owe every publish exactly one answer (hermod), unacked = published - acked - refused, and
 * odd = answers and deliveries that break what the protocol promises (must be 0).  A refused publish is not counted as lost.
 *
 * hermod reads its token from HERMOD_TOKEN (may be empty) and its channel from HERMOD_CHANNEL (default tasks).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <sys/random.h>
#include "hermod.h"

typedef uint64_t u64; typedef uint32_t u32; typedef uint16_t u16; typedef uint8_t u8;

/* ---------------------------------------------------------------- buffers, clock, histogram */
typedef struct { u8 *p; size_t len, off, cap; } buf;
static void W(buf *b, const void *p, size_t n) {
  if (b->off == b->len) b->off = b->len = 0;
  if (b->len + n > b->cap) { b->cap = (b->len + n) * 2; b->p = realloc(b->p, b->cap); if (!b->p) abort(); }
  memcpy(b->p + b->len, p, n); b->len += n;
}
static void WF(buf *b, const char *f, ...) {
  char t[1024]; va_list a; va_start(a, f); int n = vsnprintf(t, sizeof t, f, a); va_end(a); W(b, t, n);
}
static inline u64 now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000ull + t.tv_nsec; }
static void die(const char *f, ...) { va_list a; va_start(a, f); printf("RESULT error="); vprintf(f, a); printf("\n"); va_end(a); exit(1); }

typedef struct { u64 b[64 * 1024], n, max; double sum; } hist; /* log-linear, 1024 buckets per octave: 3 digits */
static inline void hadd(hist *h, u64 v) {
  int s = v < 2048 ? 0 : 63 - __builtin_clzll(v) - 10;
  h->b[(u64)s * 1024 + (v >> s)]++; h->n++; h->sum += v; if (v > h->max) h->max = v;
}
static double hq(hist *h, double q) { /* microseconds */
  u64 want = (u64)(q * h->n + 0.5), c = 0; if (!want) want = 1;
  for (u64 i = 0; i < 64 * 1024; i++) if ((c += h->b[i]) >= want) {
    u64 s = i < 2048 ? 0 : i / 1024 - 1, v = s ? (i - s * 1024) << s : i;
    return v / 1000.0;
  }
  return h->max / 1000.0;
}
static hist H, Hlate;

/* ---------------------------------------------------------------- connections and protocols */
struct account;
typedef struct conn { int fd, idx, chan, ispub, ready, subs, wantout; buf tail, out; u64 st[4], pubseq, tx, rx; u64 *last; struct hm *hm;
                      int extra, stopped; struct account *acct; } conn; /* the last line is of the mode slow */
enum { EV_NONE, EV_READY, EV_SUBOK, EV_MSG, EV_ACK, EV_CLOSED };
typedef struct { int kind; const u8 *pay; size_t len; u32 key; const char *err; u64 t; } ev;
typedef struct {
  const char *name; int port;
  void (*hello)(conn *), (*sub)(conn *, int);
  void (*pub)(conn *, int, u64, const u8 *, size_t);
  ssize_t (*parse)(conn *, const u8 *, size_t, ev *);
  u32 (*ackkey)(u64);
  int (*room)(conn *); void (*tick)(conn *, u64), (*bye)(conn *), (*submany)(conn *, int, int, int);
} proto;
static int on_read(conn *);
static void flush(conn *), on_ack(u32, u64), on_refused(u64, int, u64);
static int nchan = 1, size = 128, persub = 1, step = 1; static u32 runid; /* persub: topics of a subscriber, step apart */
static u64 dups, clamped, odd, held; static u32 closecode; /* hermod's */

/* slow: the bits a subscriber asks for, and the credit it grants at once */
static u64 ask_features, first_credit, agreed_features;
static void acct_event(conn *, u64), acct_gap(conn *, u64, u64, int), acct_filled(conn *, u64, u64), acct_closed(conn *, u32);
static int qos = 0, replicas = 1, spin = 0;
static u32 key16(u64 s) { return s & 65535; }

/* --- relay: u32 len | u8 type | u8 flags | u16 chan | payload */
static void relay_hello(conn *c) { c->ready = 1; }
static void relay_hdr(conn *c, int type, int ch, size_t n) {
  u8 h[8]; u32 l = 4 + n; memcpy(h, &l, 4); h[4] = type; h[5] = 0; h[6] = ch; h[7] = ch >> 8; W(&c->out, h, 8);
}
static void relay_sub(conn *c, int ch) { relay_hdr(c, 2, ch, 0); }
static void relay_pub(conn *c, int ch, u64 seq, const u8 *p, size_t n) { (void)seq; relay_hdr(c, 1, ch, n); W(&c->out, p, n); }
static ssize_t relay_parse(conn *c, const u8 *p, size_t n, ev *e) {
  (void)c; u32 l; if (n < 8) return 0;
  memcpy(&l, p, 4); if (n < 4 + (size_t)l) return 0;
  e->kind = p[4] == 3 ? EV_SUBOK : EV_MSG; e->pay = p + 8; e->len = l - 4;
  return 4 + l;
}

/* --- NATS text protocol; "js" adds a JetStream file stream and awaits a publish ack per message */
static int is_js;
static void nats_hello(conn *c) {
  WF(&c->out, "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"c\",\"version\":\"0\",\"protocol\":1}\r\n");
  if (!is_js || !c->ispub) { WF(&c->out, "PING\r\n"); return; }
  char j[256]; int n = snprintf(j, sizeof j,
    "{\"name\":\"S%d\",\"subjects\":[\"c.*\"],\"storage\":\"file\",\"retention\":\"limits\",\"discard\":\"old\","
    "\"max_bytes\":2000000000,\"num_replicas\":%d}", replicas, replicas);
  WF(&c->out, "SUB _INBOX.%d.> 1\r\nPUB $JS.API.STREAM.CREATE.S%d _INBOX.%d.create %d\r\n%s\r\n", getpid(), replicas, getpid(), n, j);
}
static void nats_sub(conn *c, int ch) { WF(&c->out, "SUB c.%d %d\r\nPING\r\n", ch, ch); }
static void nats_pub(conn *c, int ch, u64 seq, const u8 *p, size_t n) {
  char h[96]; int l = is_js ? snprintf(h, sizeof h, "PUB c.%d _INBOX.%d.%u %zu\r\n", ch, getpid(), key16(seq), n)
                            : snprintf(h, sizeof h, "PUB c.%d %zu\r\n", ch, n);
  W(&c->out, h, l); W(&c->out, p, n); W(&c->out, "\r\n", 2);
}
static ssize_t nats_parse(conn *c, const u8 *p, size_t n, ev *e) {
  const u8 *nl = memchr(p, '\n', n); if (!nl) return 0;
  size_t line = nl - p + 1;
  if (p[0] == 'M') { /* MSG subject sid [reply] size */
    const u8 *q = nl - 1; if (*q == '\r') q--;
    size_t sz = 0, mul = 1; while (*q != ' ') { sz += (*q-- - '0') * mul; mul *= 10; }
    if (n < line + sz + 2) return 0;
    if (is_js && c->ispub) {
      const u8 *dot = memchr(p, '.', line), *d2 = dot ? memchr(dot + 1, '.', nl - dot) : 0;
      if (!d2) { e->err = "js-subject"; return -1; }
      if (memmem(p + line, sz, "\"error\"", 7)) { e->err = "js-error"; fprintf(stderr, "%.*s\n", (int)sz, p + line); return -1; }
      if (d2[1] == 'c') e->kind = EV_READY; else { e->kind = EV_ACK; e->key = atoi((const char *)d2 + 1); }
    } else { e->kind = EV_MSG; e->pay = p + line; e->len = sz; }
    return line + sz + 2;
  }
  if (p[0] == 'P' && p[1] == 'I') W(&c->out, "PONG\r\n", 6);
  else if (p[0] == 'P' && p[1] == 'O') e->kind = c->ready ? EV_SUBOK : EV_READY;
  else if (p[0] == '-') { e->err = "nats-err"; fprintf(stderr, "%.*s", (int)line, p); return -1; }
  return line;
}

/* --- RESP: Redis PUBLISH/SUBSCRIBE; "xadd" = Redis Streams XADD as the durable anchor */
static int is_xadd;
static void resp_hello(conn *c) { WF(&c->out, "*1\r\n$4\r\nPING\r\n"); }
static void resp_sub(conn *c, int ch) { char t[16]; int l = snprintf(t, 16, "c%d", ch); WF(&c->out, "*2\r\n$9\r\nSUBSCRIBE\r\n$%d\r\n%s\r\n", l, t); }
static void resp_pub(conn *c, int ch, u64 seq, const u8 *p, size_t n) {
  (void)seq; char t[16], h[160]; int l = snprintf(t, 16, "c%d", ch);
  l = is_xadd ? snprintf(h, sizeof h, "*8\r\n$4\r\nXADD\r\n$%d\r\n%s\r\n$6\r\nMAXLEN\r\n$1\r\n~\r\n$6\r\n100000\r\n$1\r\n*\r\n$1\r\nd\r\n$%zu\r\n", l, t, n)
              : snprintf(h, sizeof h, "*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%zu\r\n", l, t, n);
  W(&c->out, h, l); W(&c->out, p, n); W(&c->out, "\r\n", 2);
}
static ssize_t resp_parse(conn *c, const u8 *p, size_t n, ev *e) {
  const u8 *nl = memchr(p, '\n', n); if (!nl) return 0;
  size_t o = nl - p + 1;
  if (p[0] == '+') { e->kind = EV_READY; return o; }
  if (p[0] == '-') { e->err = "resp-err"; fprintf(stderr, "%.*s", (int)o, p); return -1; }
  if (p[0] == ':') { e->kind = EV_ACK; e->key = key16(c->st[0]++); return o; }
  if (p[0] == '$') { size_t l = atoi((const char *)p + 1); if (n < o + l + 2) return 0; e->kind = EV_ACK; e->key = key16(c->st[0]++); return o + l + 2; }
  if (p[0] != '*') { e->err = "resp-type"; return -1; }
  const u8 *f[3]; size_t fl[3];
  for (int i = 0; i < 3; i++) {
    nl = memchr(p + o, '\n', n - o); if (!nl) return 0;
    if (p[o] == ':') { f[i] = p + o; fl[i] = 0; o = nl - p + 1; continue; }
    fl[i] = atoi((const char *)p + o + 1); o = nl - p + 1; f[i] = p + o; o += fl[i] + 2;
    if (o > n) return 0;
  }
  if (f[0][0] == 's') e->kind = EV_SUBOK; else { e->kind = EV_MSG; e->pay = f[2]; e->len = fl[2]; }
  return o;
}

/* --- MQTT 3.1.1, QoS 0 and QoS 1 */
static void mq_str(u8 **w, const char *s) { int l = strlen(s); *(*w)++ = l >> 8; *(*w)++ = l; memcpy(*w, s, l); *w += l; }
static void mq_send(conn *c, u8 type, const u8 *a, size_t an, const u8 *b, size_t bn) {
  u8 h[5]; int k = 1; size_t r = an + bn; h[0] = type;
  do { h[k] = r & 127; r >>= 7; if (r) h[k] |= 128; k++; } while (r);
  W(&c->out, h, k); W(&c->out, a, an); if (bn) W(&c->out, b, bn);
}
static u32 mq_key(u64 s) { return s % 65535 + 1; }
static void mq_hello(conn *c) {
  u8 b[64], *w = b; char id[24]; snprintf(id, sizeof id, "lg%d-%d%s", getpid(), c->idx, c->ispub ? "p" : "s");
  mq_str(&w, "MQTT"); *w++ = 4; *w++ = 2; *w++ = 0; *w++ = 0; mq_str(&w, id); mq_send(c, 0x10, b, w - b, 0, 0);
}
static void mq_sub(conn *c, int ch) {
  u8 b[64], *w = b; char t[16]; snprintf(t, 16, "c/%d", ch);
  u32 k = mq_key(ch); *w++ = k >> 8; *w++ = k; mq_str(&w, t); *w++ = qos; mq_send(c, 0x82, b, w - b, 0, 0);
}
static void mq_pub(conn *c, int ch, u64 seq, const u8 *p, size_t n) {
  u8 b[64], *w = b; char t[16]; snprintf(t, 16, "c/%d", ch); mq_str(&w, t);
  if (qos) { u32 k = mq_key(seq); *w++ = k >> 8; *w++ = k; }
  mq_send(c, 0x30 | qos << 1, b, w - b, p, n);
}
static ssize_t mq_parse(conn *c, const u8 *p, size_t n, ev *e) {
  size_t r = 0, o = 1; int sh = 0;
  for (;;) { if (o >= n) return 0; u8 x = p[o++]; r |= (size_t)(x & 127) << sh; sh += 7; if (!(x & 128)) break; }
  if (n < o + r) return 0;
  const u8 *b = p + o;
  switch (p[0] >> 4) {
    case 2: if (b[1]) { e->err = "connack"; return -1; } e->kind = EV_READY; break;
    case 9: if (b[2] & 128) { e->err = "suback"; return -1; } e->kind = EV_SUBOK; break;
    case 4: e->kind = EV_ACK; e->key = b[0] << 8 | b[1]; break;
    case 3: {
      size_t tl = b[0] << 8 | b[1], k = 2 + tl;
      if (p[0] >> 1 & 3) { u8 a[4] = { 0x40, 2, b[k], b[k + 1] }; W(&c->out, a, 4); k += 2; }
      e->kind = EV_MSG; e->pay = b + k; e->len = r - k;
    }
  }
  return o + r;
}

/* --- Hermod, version 1: see hermod.h for the bytes */
struct hm {
  int welcome, opens, nopen, *from;          /* seen WELCOME; OPENs not answered yet; OPENs sent, and the first channel of each */
  u32 *handle, *lastid; u64 *lastoff;        /* by channel; of a subscriber by its own topics */
  u32 *key, mask; int *val, known;           /* handle -> index into these: open addressing */
  u64 sent, pings, oldest, open[HM_SEQ_SPAN / 64]; /* publishes unanswered, as bits by id: none is HM_SEQ_SPAN behind another */
  u32 limit, ping_ms, silence_ms, window; u64 window_bytes; int64_t pinged;
};
static u64 hm_epoch;
static int64_t hm_now(void) { struct timespec t; clock_gettime(CLOCK_REALTIME, &t); return t.tv_sec * 1000000ll + t.tv_nsec / 1000; }
static const char *hm_topic(int ch) {
  static char t[256]; const char *c = getenv("HERMOD_CHANNEL"); snprintf(t, sizeof t, "%.200s:c%d", c && *c ? c : "tasks", ch); return t;
}
static void hm_ping(conn *c) {
  u8 b[24]; W(&c->out, b, hm_write_ping(b, (u32)c->hm->pings++, c->hm->pinged = hm_now()));
}
static void hm_grant(conn *c, u64 bytes) { u8 b[HM_HEAD + 8]; W(&c->out, b, hm_write_credit(b, bytes)); }
static void hm_open(conn *c, int type, u32 id, const u8 *body, size_t n) { u8 h[HM_HEAD]; hm_put_head(h, type, 0, 0, id, n); W(&c->out, h, HM_HEAD); W(&c->out, body, n); }
static void hm_topics(struct hm *m, int n) { /* room for n topics */
  m->handle = calloc(n, 4); m->lastid = calloc(n, 4); m->lastoff = calloc(n, 8);
  for (m->mask = 4; m->mask < (u32)n * 2; m->mask *= 2);
  m->key = calloc(m->mask, 4); m->val = calloc(m->mask--, sizeof *m->val);
}
static u32 hm_slot(struct hm *m, u32 handle) { u32 i = handle * 2654435769u >> 8 & m->mask; while (m->key[i] && m->key[i] != handle) i = (i + 1) & m->mask; return i; }
static void hm_know(struct hm *m, u32 handle, int at) { u32 i = hm_slot(m, handle); if (!m->key[i]) m->known++; m->key[i] = m->handle[at] = handle; m->val[i] = at; }
static int hm_chan(conn *c, u32 handle) { u32 i = hm_slot(c->hm, handle); return handle && c->hm->key[i] ? c->hm->val[i] : -1; }
static void hm_hello_(conn *c) {
  struct hm *m = c->hm = calloc(1, sizeof *m); char dev[64];
  m->limit = HM_FIRST_LIMIT; m->ping_ms = 15000; m->silence_ms = 35000;
  snprintf(dev, sizeof dev, "loadgen-%08x-%d%c", runid, c->idx, c->ispub ? 'p' : 's');
  while (!hm_epoch) if (getrandom(&hm_epoch, 8, 0) < 0) die("getrandom"); /* one for the process */
  hm_hello h = { .min_version = 1, .max_version = 1, .max_frame = 1 << 19, .token = getenv("HERMOD_TOKEN"), .device = dev, .platform = 5 /* CLI */,
                 .client_version = "loadgen-c/1", .producer_epoch = hm_epoch, .features = c->ispub ? 0 : ask_features };
  u8 *b = malloc(hm_hello_room(&h)); size_t n = hm_write_hello(b, 1, &h);
  if (n > HM_FIRST_LIMIT) die("token-too-long");
  W(&c->out, b, n); free(b);
  hm_topics(m, c->ispub ? nchan : persub);
  if (!c->ispub) return;
  m->from = calloc(nchan + 1, sizeof *m->from);
  static u8 body[HM_FIRST_LIMIT]; u8 *w = body; /* behind HELLO, in frames that fit the first limit; request ids from 2 on */
  for (int ch = 0, k = 0; ch < nchan; ch++) {
    w = hm_put_topic(w, hm_topic(ch));
    if (ch + 1 == nchan || ++k == 1000 || w > body + sizeof body - 512) { hm_open(c, HM_OPEN, 2 + m->nopen++, body, w - body); w = body; k = 0; m->from[m->nopen] = ch + 1; }
  }
  m->opens = m->nopen;
}
static void hm_submany(conn *c, int ch, int by, int n) { /* as many names in a request as are allowed and fit; its id tells the first */
  static u8 body[HM_FIRST_LIMIT]; u8 *w = body; int first = ch;
  for (int i = 0, k = 0; i < n; i++, ch += by) {
    w = hm_put_topic(w, hm_topic(ch));
    if (i + 1 == n || ++k == 1000 || w > body + sizeof body - 512) { hm_open(c, HM_SUBSCRIBE, 1000000 + first, body, w - body); w = body; k = 0; first = ch + by; }
  }
}
static void hm_sub(conn *c, int ch) { hm_submany(c, ch, 1, 1); }
static int hm_room(conn *c) { /* 6.3: at most 1,024 sequence values from the oldest unanswered to the newest; and WELCOME's windows */
  struct hm *m = c->hm; u64 out;
  while (m->oldest < m->sent && !(m->open[m->oldest % HM_SEQ_SPAN / 64] >> (m->oldest & 63) & 1)) m->oldest++;
  out = m->sent - m->oldest;
  if (out < HM_SEQ_SPAN && (!m->window || out < m->window) && (!m->window_bytes || !out || (out + 1) * (HM_PUBHEAD + 19 + size) <= m->window_bytes)) return 1;
  held++; return 0;
}
static void hm_pub(conn *c, int ch, u64 seq, const u8 *p, size_t n) { /* request id = seq, sequence = seq + 1, never 0 */
  u8 b[HM_PUBHEAD + 19], *id = b + HM_PUBHEAD + 3; struct timespec t; u32 s = seq; u16 i = c->idx;
  hm_write_publish(b, 0, c->hm->handle[ch], s, seq + 1, 0, 60, 0, 19, n);
  b[HM_PUBHEAD] = 1; b[HM_PUBHEAD + 1] = 16; b[HM_PUBHEAD + 2] = 0; /* eventId, a ULID: 48 bits ms, then what is ours alone */
  clock_gettime(CLOCK_REALTIME_COARSE, &t); u64 ms = t.tv_sec * 1000ull + t.tv_nsec / 1000000;
  for (int k = 0; k < 6; k++) id[k] = ms >> (40 - 8 * k);
  memcpy(id + 6, &runid, 4); memcpy(id + 10, &i, 2); memcpy(id + 12, &s, 4);
  W(&c->out, b, sizeof b); W(&c->out, p, n);
  c->hm->open[seq % HM_SEQ_SPAN / 64] |= 1ull << (seq & 63); c->hm->sent = seq + 1;
}
static int hm_answered(conn *c, u32 id) { /* the first answer to a publish that was made? */
  struct hm *m = c->hm; u64 *w = &m->open[id % HM_SEQ_SPAN / 64], bit = 1ull << (id & 63);
  if ((u32)m->sent - id - 1 >= HM_SEQ_SPAN || !(*w & bit)) { odd++; return 0; }
  *w &= ~bit; return 1;
}
static void hm_said(const char *what, u32 id, hm_str m, u32 code) { fprintf(stderr, "hermod %s id=%u code=%u %.*s\n", what, id, code, (int)m.n, m.n ? (const char *)m.p : ""); }
static ssize_t hm_parse(conn *c, const u8 *p, size_t n, ev *e) {
  struct hm *m = c->hm; hm_frame f; ssize_t len = hm_read_frame(p, n, m->limit, &f);
  if (len == 0) return 0;
  if (len < 0) { e->err = len == HM_TOO_LONG ? "FRAME_TOO_LONG" : len == HM_UNSUPPORTED ? "UNSUPPORTED" : "BAD_FRAME"; return -1; }
#define BAD(what) do { e->err = what; return -1; } while (0)
  if (!m->welcome && f.type != HM_WELCOME && f.type != HM_CLOSE) BAD("frame-before-WELCOME");
  switch (f.type) {
    case HM_EVENT: {
      hm_event v; if (hm_read_event(f.body, &v)) BAD("BAD_EVENT");
      int at = hm_chan(c, f.handle); if (c->ispub || at < 0) BAD("event-of-another-topic");
      if (v.offset <= m->lastoff[at] || f.id) odd++; /* before the first one: the last that SUBSCRIBED excluded */
      if (c->acct) acct_event(c, v.offset);
      m->lastoff[at] = v.offset; e->kind = EV_MSG; e->pay = v.payload.p; e->len = v.payload.n; break;
    }
    case HM_PUBLISHED: {
      int nr, nx; if (!c->ispub || hm_read_published(f.body, &nr, &nx)) BAD("BAD_PUBLISHED");
      if (f.handle || f.id) odd++;
      for (int i = 0; i < nr; i++) {
        hm_range r = hm_range_at(f.body, i); int ch = hm_chan(c, r.handle);
        if (ch < 0 || r.count > HM_SEQ_SPAN) BAD("range-of-nothing");
        if (m->lastoff[ch] && (r.offset <= m->lastoff[ch] || (int32_t)(r.first - m->lastid[ch]) <= 0)) odd++; /* outcomes of a topic come in order */
        m->lastoff[ch] = r.offset + r.count - 1; m->lastid[ch] = r.first + r.count - 1;
        for (u32 k = 0; k < r.count; k++) if (hm_answered(c, r.first + k)) on_ack(r.first + k, e->t);
      }
      for (int i = 0; i < nx; i++) {
        hm_exception x = hm_exception_at(f.body, nr + i); int ch = hm_chan(c, x.handle);
        if (x.kind == HM_CLAMPED) clamped++;
        else if (x.kind == HM_DUPLICATE) { if (hm_answered(c, x.id)) { dups++; on_ack(x.id, e->t); } }
        else if (x.kind == HM_REFUSED) {
          static int told; if (told++ < 3) hm_said("refusal", x.id, (hm_str){ 0, 0 }, x.code);
          if (ch < 0) odd++; else if (hm_answered(c, x.id)) on_refused(x.id, ch, e->t);
        } else odd++;
      }
      break;
    }
    case HM_WELCOME: {
      hm_welcome w = { 0 }; if (m->welcome || hm_read_welcome(f.body, &w)) BAD("BAD_WELCOME");
      if (w.version != 1 || w.features & ~(c->ispub ? 0 : ask_features)) BAD("WELCOME-of-another-version");
      if (!w.enabled) hm_said("service not enabled", f.id, w.reason, 0);
      m->welcome = 1; m->limit = w.lim.frame ? w.lim.frame : HM_LIMIT; m->window = w.lim.window_events; m->window_bytes = w.lim.window_bytes;
      if (w.ping_ms) m->ping_ms = w.ping_ms;
      if (w.silence_ms) m->silence_ms = w.silence_ms;
      if (m->limit > 1 << 19) m->limit = 1 << 19;
      if (!c->ispub) agreed_features = w.features;
      if (w.features & HM_CREDIT_BIT) hm_grant(c, first_credit);
      free(w.subs.v); hm_ping(c); if (!m->opens) e->kind = EV_READY;
      break;
    }
    case HM_SUBSCRIBED: case HM_OPENED: {
      hm_results l = { 0 }; int from = 0, at = 0; if (hm_read_results(f.body, &l)) BAD("BAD_RESULTS");
      if (f.type == HM_OPENED) { /* answers to several requests may come in any order; results inside one, in the order asked */
        if (f.id < 2 || f.id - 2 >= (u32)m->nopen || m->handle[from = m->from[f.id - 2]]) BAD("opened-without-OPEN");
      } else if ((from = (int)f.id - 1000000) < c->chan || (from - c->chan) % step || (at = (from - c->chan) / step) + l.n > persub || !l.n || m->handle[at]) BAD("subscribed-without-SUBSCRIBE");
      for (int i = 0; i < l.n; i++) {
        hm_result *r = &l.v[i];
        if (!r->granted || !r->handle) { hm_said("refusal", f.id, r->message, r->code); BAD("topic-refused"); }
        const char *t = hm_topic(from);
        if (strlen(t) != r->topic.n || memcmp(t, r->topic.p, r->topic.n)) BAD("answered-another-topic");
        if (f.type == HM_SUBSCRIBED) { hm_know(m, r->handle, at); m->lastoff[at++] = r->next_offset ? r->next_offset - 1 : 0; from += step; continue; }
        if (from == nchan || !r->can_publish) BAD("opened-another-topic");
        hm_know(m, r->handle, from++);
      }
      if (f.type == HM_SUBSCRIBED) { c->subs += l.n - 1; e->kind = EV_SUBOK; }
      free(l.v); if (f.type == HM_OPENED && !--m->opens) { e->kind = EV_READY; if (m->known != nchan) BAD("topic-not-answered"); }
      break;
    }
    case HM_PING: { u8 b[40]; int64_t t = hm_now(); if (f.body.n != 8) BAD("BAD_FRAME"); W(&c->out, b, hm_write_pong(b, f.id, (int64_t)hm_u64(f.body.p), t, hm_now())); break; }
    case HM_PONG: if (f.body.n != 24) BAD("BAD_FRAME");
      if (!c->extra && (f.id != (u32)m->pings - 1 || (int64_t)hm_u64(f.body.p) != m->pinged)) odd++; /* one that stopped reading has older ones before it */
      break;
    case HM_ERROR: { hm_verdict v; if (hm_read_verdict(f.body, &v)) BAD("BAD_FRAME"); hm_said("ERROR", f.id, v.message, v.code); BAD("ERROR"); }
    case HM_CLOSE: { hm_verdict v; if (hm_read_verdict(f.body, &v)) BAD("BAD_FRAME"); hm_said("CLOSE", f.id, v.message, v.code); if (c->acct) acct_closed(c, v.code); else closecode = v.code;
      e->kind = EV_CLOSED; break; }
    case HM_GAP: case HM_GAP_CLOSED: {
      int gap = f.type == HM_GAP; if (!c->acct) BAD("feature-not-agreed");
      if (f.body.n != (gap ? 24 : 16) || hm_chan(c, f.handle) < 0 || hm_u64(f.body.p) > hm_u64(f.body.p + 8)) BAD("BAD_GAP");
      if (gap) acct_gap(c, hm_u64(f.body.p), hm_u64(f.body.p + 8), hm_u16(f.body.p + 16)); else acct_filled(c, hm_u64(f.body.p), hm_u64(f.body.p + 8));
      break;
    }
    case HM_PROGRESS: BAD("feature-not-agreed");
    default: if (!(f.flags & HM_F_IGNORE)) BAD("UNKNOWN_FRAME");
  }
  return len;
}
static void hm_tick(conn *c, u64 t) {
  if (!c->hm || !c->hm->welcome) return;
  if (t - c->tx >= c->hm->ping_ms * 1000000ull) { hm_ping(c); flush(c); }
  if (!c->stopped && t - c->rx >= c->hm->silence_ms * 1000000ull) { on_read(c); if (t - c->rx >= c->hm->silence_ms * 1000000ull && t > c->rx) die("broker-silent"); }
}
static void hm_bye(conn *c) { u8 b[32]; W(&c->out, b, hm_write_close(b, HM_NORMAL)); flush(c); }

static proto protos[] = {
  { "relay", 7001, relay_hello, relay_sub, relay_pub, relay_parse, key16, 0, 0, 0, 0 },
  { "nats",  7002, nats_hello,  nats_sub,  nats_pub,  nats_parse,  key16, 0, 0, 0, 0 },
  { "js",    7002, nats_hello,  nats_sub,  nats_pub,  nats_parse,  key16, 0, 0, 0, 0 },
  { "resp",  7003, resp_hello,  resp_sub,  resp_pub,  resp_parse,  key16, 0, 0, 0, 0 },
  { "xadd",  7003, resp_hello,  resp_sub,  resp_pub,  resp_parse,  key16, 0, 0, 0, 0 },
  { "mqtt",  7004, mq_hello,    mq_sub,    mq_pub,    mq_parse,    mq_key, 0, 0, 0, 0 },
  { "mqtt1", 7004, mq_hello,    mq_sub,    mq_pub,    mq_parse,    mq_key, 0, 0, 0, 0 },
  { "hermod", 7400, hm_hello_, hm_sub, hm_pub, hm_parse, key16, hm_room, hm_tick, hm_bye, hm_submany },
  { 0 } };

/* ---------------------------------------------------------------- options and run state */
static proto *P;
static const char *mode = "", *host = "127.0.0.1";
static int port, npub = 1, nsub = 1, window = 1, spid = 0, spids[8], nspid;
static double secs = 2, warm = 0.5, rate = 1000; static u64 maxcount = 100000000;
static conn *pubs, *subs; static int ep, failed;
static u64 published, delivered, acked, refused, mdeliv, disorder, tmeas0, tmeas1, expected; /* mdeliv: in the measured span */
static u64 subs_on[65536], stale;
static u8 rx[1 << 20], pay[1 << 16]; enum { RXONE = 1 << 18 };
/* flood: ring of per-message delivery counts; ack: ring of send times */
static u32 *ring; static u64 rmask, rhead; static u64 acksent[65536]; static u32 inflight;
static int stalled = 1, pairs = 20; static u64 most = 0; static double fill = 0.5; static const char *kinds = "ars"; /* slow */
static int pp_wait, m_ack, m_flood, m_ping, m_topics, hold; static u64 lastprogress; static u32 owed = 1; /* flood: deliveries a message owes */
/* topics: what the publisher picks, made beforehand and the same for every lane; the last message of each channel */
static enum { PICK_ONE, PICK_SPREAD, PICK_UNIFORM, PICK_ZIPF } pick; enum { NPICK = 1 << 18 }; static u16 *picks; static u64 lastof[65536];
static const char *across; static int shard_pub = -1, shard_sub = -1, shard_home = -1;

static u64 cpu1of(int pid) { /* user + system time of a process, in microseconds */
  char f[64], b[1024]; snprintf(f, sizeof f, "/proc/%d/stat", pid);
  FILE *h = fopen(f, "r"); if (!h) return 0;
  size_t n = fread(b, 1, sizeof b - 1, h); fclose(h); b[n] = 0;
  char *q = strrchr(b, ')'); u64 u = 0, s = 0; if (!q) return 0;
  sscanf(q + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &s);
  return (u + s) * 1000000 / sysconf(_SC_CLK_TCK);
}
static u64 cpu_of(int pid) { u64 t = 0; if (nspid < 2) return cpu1of(pid); for (int i = 0; i < nspid; i++) t += cpu1of(spids[i]); return t; }
static u64 rss_of(int pid) { /* KiB */
  char f[64], l[256]; snprintf(f, sizeof f, "/proc/%d/status", pid);
  FILE *h = fopen(f, "r"); u64 v = 0; if (!h) return 0;
  while (fgets(l, sizeof l, h)) if (sscanf(l, "VmRSS: %lu", &v) == 1) break;
  fclose(h); return v;
}
static u64 busy_all(void) { /* all CPU time of the machine that was not idle, in microseconds: shows other jobs' load */
  FILE *h = fopen("/proc/stat", "r"); u64 v[8] = { 0 }; if (!h) return 0;
  if (fscanf(h, "cpu %lu %lu %lu %lu %lu %lu %lu %lu", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7) != 8) v[0] = 0;
  fclose(h); return (v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) * 1000000 / sysconf(_SC_CLK_TCK);
}
static u64 self_cpu(void) { struct rusage r; getrusage(RUSAGE_SELF, &r);
  return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000ull + r.ru_utime.tv_usec + r.ru_stime.tv_usec; }

static void want(conn *c, int o) {
  if (c->wantout == o || c->stopped == 1) return;
  c->wantout = o; struct epoll_event e = { .events = EPOLLIN | (o ? EPOLLOUT : 0), .data.ptr = c };
  epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}
static void flush(conn *c) {
  while (c->out.off < c->out.len) {
    ssize_t r = send(c->fd, c->out.p + c->out.off, c->out.len - c->out.off, MSG_NOSIGNAL);
    if (r < 0) {
      if (errno == EAGAIN) { want(c, 1); return; }
      if (c->extra) { c->out.off = c->out.len; return; } /* the broker has closed it; reading tells */
      die("send:%s", strerror(errno));
    }
    c->out.off += r; c->tx = now();
  }
  want(c, 0);
}
static void publish(conn *c, int ch, u64 intended) {
  u32 who = c->idx; memcpy(pay, &intended, 8); memcpy(pay + 20, &runid, 4); memcpy(pay + 8, &c->pubseq, 8); memcpy(pay + 16, &who, 4); memcpy(pay + 24, &published, 8);
  if (m_topics) { u32 k = ch; memcpy(pay + 32, &k, 4); }
  if (m_ack) { acksent[P->ackkey(c->pubseq) & 65535] = intended; inflight++; }
  P->pub(c, ch, c->pubseq++, pay, size);
  published++; expected += subs_on[ch];
}
static void on_msg(conn *c, const u8 *p, size_t n, u64 t) {
  u64 t0, seq, g; u32 who, id;
  if (n < 32) die("short-payload");
  memcpy(&id, p + 20, 4); if (id != runid) { stale++; return; } if (c->extra) return; /* left in the broker by an earlier run */
  memcpy(&t0, p, 8); memcpy(&seq, p + 8, 8); memcpy(&who, p + 16, 4); memcpy(&g, p + 24, 8);
  delivered++; lastprogress = t;
  if (m_topics) { u32 k; memcpy(&k, p + 32, 4); if (n < 36 || k >= (u32)nchan) die("payload"); if (lastof[k] > seq) disorder++; lastof[k] = seq + 1; }
  else if (who < (u32)npub) { if (c->last[who] && c->last[who] > seq) disorder++; c->last[who] = seq + 1; }
  if (m_flood) { ring[g & rmask]++; while (rhead < published && ring[rhead & rmask] == owed) ring[rhead++ & rmask] = 0;
    if (t >= tmeas0 && t < tmeas1) { mdeliv++; hadd(&H, t - t0); } }
  else if (t0 >= tmeas0 && t0 < tmeas1) { mdeliv++; hadd(&H, t - t0); }
  pp_wait = 0;
}
static void on_ack(u32 key, u64 t) {
  acked++;
  if (P->room) lastprogress = t;
  if (!m_ack) return;
  u64 t0 = acksent[key & 65535]; inflight--; lastprogress = t;
  if (t >= tmeas0 && t < tmeas1) { hadd(&H, t - t0); mdeliv++; }
}
static void on_refused(u64 seq, int ch, u64 t) { /* will not be delivered: nothing may wait for it */
  refused++; lastprogress = t; expected -= subs_on[ch]; pp_wait = 0;
  if (m_ack) inflight--;
  if (m_flood) { ring[seq & rmask] = owed; while (rhead < published && ring[rhead & rmask] == owed) ring[rhead++ & rmask] = 0; }
}
static u64 unacked(void) { return P->room ? published - acked - refused : 0; }
static int on_read(conn *c) { /* returns 0 when the peer closed */
  size_t have = c->tail.len - c->tail.off;
  if (have) { memcpy(rx, c->tail.p + c->tail.off, have); c->tail.len = c->tail.off = 0; }
  ssize_t r = have > sizeof rx - RXONE ? (errno = EMSGSIZE, -1) : recv(c->fd, rx + have, RXONE, 0);
  if (r == 0) return 0;
  if (r < 0) { if (errno == EAGAIN) r = 0; else return 0; }
  u64 t = now(); size_t n = have + r, o = 0; if (r) c->rx = t;
  while (o < n) {
    ev e = { .t = t }; ssize_t k = P->parse(c, rx + o, n - o, &e);
    if (k < 0) die("proto:%s", e.err ? e.err : "?");
    if (!k) break;
    if (e.kind == EV_MSG) on_msg(c, e.pay, e.len, t);
    else if (e.kind == EV_ACK) on_ack(e.key, t);
    else if (e.kind == EV_READY) c->ready = 1;
    else if (e.kind == EV_SUBOK) c->subs++;
    else if (e.kind == EV_CLOSED) return 0;
    o += k;
  }
  if (o < n) W(&c->tail, rx + o, n - o);
  if (c->out.len > c->out.off) flush(c);
  return 1;
}
static void await(conn *c, int *flag, int least, const char *what) { /* blocking step of the set-up, 10 s at most */
  u64 end = now() + 10000000000ull;
  while (*flag < least) {
    if (c->out.len > c->out.off) flush(c);
    struct pollfd p = { c->fd, POLLIN | (c->out.len > c->out.off ? POLLOUT : 0), 0 };
    if (now() > end) die("timeout-%s", what);
    if (poll(&p, 1, 100) > 0 && (p.revents & (POLLIN | POLLHUP | POLLERR)) && !on_read(c)) die("closed-%s", what);
  }
}
static conn **all; static int nall, capall; static u64 ticked;
static void tick(void) { /* of all connections, about once a second */
  u64 t = now(); if (!P->tick || t < ticked + 1000000000ull) return;
  ticked = t; for (int i = 0; i < nall; i++) if (all[i]->fd >= 0) P->tick(all[i], t);
}
static void bye(void) { if (P->bye) for (int i = 0; i < nall; i++) if (all[i]->fd >= 0) P->bye(all[i]); }
static void open_conn(conn *c, int idx, int ispub, int chan, int src) {
  c->idx = idx; c->ispub = ispub; c->chan = chan; c->last = calloc(npub + 1, 8); c->wantout = 0;
  c->fd = socket(AF_INET, SOCK_STREAM, 0); if (c->fd < 0) die("socket:%s", strerror(errno));
  int one = 1; setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct sockaddr_in a = { .sin_family = AF_INET };
  if (src) { setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one); a.sin_addr.s_addr = htonl(0x7f000001 + src); if (bind(c->fd, (void *)&a, sizeof a)) die("bind:%s", strerror(errno)); }
  a.sin_port = htons(port); inet_pton(AF_INET, host, &a.sin_addr);
  if (connect(c->fd, (void *)&a, sizeof a)) die("connect:%s", strerror(errno));
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event e = { .events = EPOLLIN, .data.ptr = c }; epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
  c->tx = c->rx = now(); tick();
  P->hello(c); await(c, &c->ready, 1, "hello");
  if (!ispub) {
    if (P->submany) P->submany(c, chan, step, persub); else for (int i = 0; i < persub; i++) P->sub(c, chan + i * step);
    await(c, &c->subs, persub, "sub");
  }
  if (nall == capall) all = realloc(all, (capall = capall * 2 + 64) * sizeof *all);
  all[nall++] = c;
}
static void pump(u64 until) { /* one epoll round, waiting until `until` at most */
  struct epoll_event evs[64]; u64 t = now(); if (t > ticked + 1000000000ull) tick();
  if (P->tick && until > t + 1000000000) until = t + 1000000000;
  struct timespec ts = { 0, 0 };
  if (until > t && !spin) { u64 d = until - t; ts.tv_sec = d / 1000000000; ts.tv_nsec = d % 1000000000; }
  int n = epoll_pwait2(ep, evs, 64, &ts, NULL);
  for (int i = 0; i < n; i++) {
    conn *c = evs[i].data.ptr;
    if (evs[i].events & EPOLLOUT) flush(c);
    if ((evs[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !on_read(c)) {
      if (c->extra) acct_closed(c, 0);
      else if (!failed++) fprintf(stderr, "peer closed %s %d\n", c->ispub ? "publisher" : "subscriber", c->idx);
      epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, NULL); close(c->fd); c->fd = -1;
      if (c->ispub) { if (closecode) die("publisher-closed-%u", closecode); die("publisher-closed"); }
    }
  }
}

/* ---------------------------------------------------------------- modes
 * foreign = cores used by anything that is neither the server (--pid) nor this generator during the measured span */
static u64 all0, all1, cpu0, cpu1, self0, self1, del0, del1, pub0, pub1;
static void mark(int k) { if (!k) { all0 = busy_all(); cpu0 = cpu_of(spid); self0 = self_cpu(); del0 = delivered; pub0 = published; } else { all1 = busy_all(); cpu1 = cpu_of(spid); self1 = self_cpu(); del1 = delivered; pub1 = published; } }
static void report(double span, u64 lost) {
  u64 d = m_ack ? mdeliv : del1 - del0;
  printf("RESULT mode=%s proto=%s size=%d pubs=%d subs=%d chans=%d window=%d p50=%.1f p90=%.1f p99=%.1f p999=%.1f max=%.1f mean=%.1f "
         "n=%lu lost=%lu disorder=%lu msgs_s=%.0f deliv_s=%.0f cpu_us_per_deliv=%.3f cpu_cores=%.2f gen_cores=%.2f late_p99=%.1f foreign=%.2f stale=%lu closed=%d acked=%lu refused=%lu",
         mode, P->name, size, npub, nsub, nchan, window, hq(&H, .5), hq(&H, .9), hq(&H, .99), hq(&H, .999), H.max / 1000.0,
         H.n ? H.sum / H.n / 1000 : 0, H.n, lost, disorder, m_ack ? mdeliv / span : (pub1 - pub0) / span, d / span,
         spid && d ? (double)(cpu1 - cpu0) / d : 0, (cpu1 - cpu0) / 1e6 / span, (self1 - self0) / 1e6 / span, hq(&Hlate, .99),
         (double)((long)(all1 - all0) - (long)(cpu1 - cpu0) - (long)(self1 - self0)) / 1e6 / span, stale, failed, acked, refused);
  if (across) printf(" shard_pub=%d shard_sub=%d shard_home=%d", shard_pub, shard_sub, shard_home);
  if (P->room) printf(" unacked=%lu dup=%lu clamped=%lu held=%lu odd=%lu close=%u", unacked(), dups, clamped, held, odd, closecode);
  printf("\n");
}
static void run_closed(void) { /* pingpong, flood, ack: closed loops bounded by time and count */
  u64 t0 = now(), end, marked = 0; tmeas0 = t0 + warm * 1e9; tmeas1 = end = tmeas0 + secs * 1e9; lastprogress = t0;
  u64 cap = 1; while (cap < (u64)window * 2) cap *= 2;
  ring = calloc(cap, 4); rmask = cap - 1;
  u64 span0 = tmeas0, t;
  while ((t = now()) < end && published < maxcount) {
    if (!marked && t >= tmeas0) { mark(0); marked = 1; span0 = t; }
    if (m_ping) {
      if (!pp_wait && (!P->room || P->room(&pubs[0]))) { pp_wait = 1; publish(&pubs[0], 0, now()); flush(&pubs[0]); }
    } else {
      u64 can = m_ack ? (u64)window - inflight : (u64)window - (published - rhead);
      size_t pend = pubs[0].out.len - pubs[0].out.off;
      if (can && pend < 65536) {
        u64 it = now();
        while (can-- && pubs[0].out.len - pubs[0].out.off < 131072 && (!P->room || P->room(&pubs[0]))) publish(&pubs[0], m_topics ? picks[published % NPICK] : 0, it);
        flush(&pubs[0]);
      }
    }
    pump(t + 100000000);
    if (t > lastprogress + 5000000000ull) { fprintf(stderr, "stalled\n"); break; }
  }
  u64 span1 = now(); mark(1);
  u64 drain = now() + 4000000000ull; tmeas1 = 0; lastprogress = now(); /* until all is in, or nothing came for 0.7 s */
  while ((t = now()) < drain && t < lastprogress + 700000000ull && ((m_ack ? inflight > 0 : delivered < expected) || unacked())) pump(t + 50000000);
  report((span1 - span0) / 1e9, m_ack ? inflight : expected - delivered);
}
static void run_rate(void) {
  u64 t0 = now() + 1000000, i = 0, total = (warm + secs) * rate, marked = 0; double gap = 1e9 / rate;
  if (total > maxcount) total = maxcount;
  tmeas0 = t0 + warm * 1e9; tmeas1 = t0 + (warm + secs) * 1e9; u64 hard = tmeas1 + 5000000000ull, t;
  while (i < total && (t = now()) < hard) {
    if (!marked && t >= tmeas0) { mark(0); marked = 1; }
    u64 due = t0 + (u64)(i * gap); int lo = i % npub, cnt = 0, waiting = 0;
    while (i < total && due <= t && cnt < 256) {
      conn *c = &pubs[i % npub]; if (P->room && !P->room(c)) { waiting = 1; break; }
      if (t >= tmeas0) hadd(&Hlate, t - due);
      publish(c, i % nchan, due); cnt++; i++; due = t0 + (u64)(i * gap);
    }
    for (int k = 0; k < npub && k < cnt; k++) flush(&pubs[(lo + k) % npub]);
    pump(waiting ? t + 1000000 : due); /* held back: until an answer comes */
  }
  u64 span1 = now(); mark(1);
  u64 d = now() + 4000000000ull; lastprogress = now();
  while ((t = now()) < d && t < lastprogress + 700000000ull && (delivered < expected || unacked())) pump(t + 20000000);
  report((span1 - tmeas0) / 1e9, expected - delivered);
}
static void run_idle(int n) {
  u64 r0 = rss_of(spid), t = now(), c0 = cpu_of(spid); conn *v = calloc(n, sizeof *v); int k = 0;
  for (; k < n && now() - t < 120000000000ull; k++) open_conn(&v[k], k, 0, k % 100, 1 + k / 20000);
  double open_s = (now() - t) / 1e9; u64 q = now() + 1000000000ull; while (now() < q) pump(q);
  u64 r1 = rss_of(spid), c1 = cpu_of(spid);
  q = now() + 2000000000ull; while (now() < q) pump(q);
  if (hold) { /* somebody looks at the server now, and closes our stdin when done */
    printf("HELD conns=%d\n", k); fflush(stdout);
    struct pollfd in = { 0, POLLIN, 0 }; char b[64];
    while (poll(&in, 1, 0) == 0 || ((in.revents & POLLIN) && read(0, b, sizeof b) > 0)) pump(now() + 100000000);
  }
  printf("RESULT mode=idle proto=%s conns=%d rss0_kib=%lu rss1_kib=%lu kib_per_conn=%.2f open_s=%.2f conn_s=%.0f open_cpu_us=%.1f idle_cpu_pct=%.1f\n",
         P->name, k, r0, r1, (double)((long)r1 - (long)r0) / k, open_s, k / open_s, (double)(c1 - c0) / k, (cpu_of(spid) - c1) / 2e6 * 100);
}
static u64 rnd = 88172645463325252ull;
static u64 next(void) { rnd ^= rnd << 13; rnd ^= rnd >> 7; return rnd ^= rnd << 17; }
static void make_picks(void) {
  picks = malloc(NPICK * sizeof *picks); double *cum = malloc(nchan * sizeof *cum), all = 0;
  for (int i = 0; i < nchan; i++) cum[i] = all += pick == PICK_ZIPF ? 1.0 / (i + 1) : pick == PICK_UNIFORM ? 1 : pick == PICK_SPREAD ? i < nsub : !i;
  for (int i = 0; i < NPICK; i++) {
    double u = (next() >> 11) * 0x1p-53 * all; int lo = 0, hi = nchan - 1;
    while (lo < hi) { int mid = (lo + hi) / 2; if (cum[mid] > u) hi = mid; else lo = mid + 1; }
    picks[i] = lo;
  }
  free(cum);
}

/* ---------------------------------------------------------------- publisher and subscriber on different shards (hermod)
 * The broker's admin port tells on which shard a connection and a topic live; publishers are opened until one is elsewhere. */
static char *admin_get(const char *path) {
  static char b[1 << 20]; char h[64]; size_t n = 0; ssize_t r; const char *colon = strrchr(across, ':');
  if (!colon || (size_t)(colon - across) >= sizeof h) die("admin-address");
  snprintf(h, sizeof h, "%.*s", (int)(colon - across), across);
  struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(atoi(colon + 1)) }; inet_pton(AF_INET, h, &a.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM, 0); if (fd < 0 || connect(fd, (void *)&a, sizeof a)) die("admin-connect");
  n = snprintf(b, sizeof b, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, across);
  if (send(fd, b, n, MSG_NOSIGNAL) != (ssize_t)n) die("admin-send");
  for (n = 0; n < sizeof b - 1 && (r = recv(fd, b + n, sizeof b - 1 - n, 0)) > 0; n += r);
  b[n] = 0; close(fd); if (strncmp(b + 8, " 200", 4)) die("admin-answer"); return b;
}
static int admin_number(const char *json, const char *after, const char *key) { /* the first number called key behind the word after */
  const char *p = strstr(json, after); p = p ? strstr(p, key) : 0; p = p ? strchr(p + strlen(key), ':') : 0; return p ? atoi(p + 1) : -1;
}
static int shard_of(conn *c) { char dev[64]; snprintf(dev, sizeof dev, "\"loadgen-%08x-%d%c\"", runid, c->idx, c->ispub ? 'p' : 's'); return admin_number(admin_get("/api/v1/connections"), dev, "\"shard\""); }
static void open_across(void) {
  int shards = admin_number(admin_get("/api/v1/stats"), "{", "\"shards\""); char path[300];
  snprintf(path, sizeof path, "/api/v1/stats?topic=%s", hm_topic(0));
  shard_sub = shard_of(&subs[0]); if (shards < 1 || shard_sub < 0) die("admin-tells-no-shard");
  pubs = calloc(16, sizeof *pubs);
  for (int i = 0; i < 16; i++, pubs++) {
    open_conn(pubs, i, 1, 0, 0); shard_pub = shard_of(pubs);
    if (shards == 1 || (shard_pub >= 0 && shard_pub != shard_sub)) { pubs->idx = 0; shard_home = admin_number(admin_get(path), "\"topicStats\"", "\"homeShard\""); return; }
  }
  die("no-two-shards");
}
/* ---------------------------------------------------------------- slow (hermod): what subscribers that stop cost the others
 *
 * One publisher, one topic, --subs less --stalled others that always read.  A block has one round of each kind, in an order drawn anew:
 *   a absent   nobody but the others              r reading   --stalled more that read
 *   s socket   --stalled more that stop reading   h handler   --stalled more that read, and grant no credit
 * A round: the further ones connect and subscribe; fill (not measured); flood, measured; fixed rate, measured; with --hold, HELD, and on with the
 * next line of stdin; the stopped ones take again what comes, and live events with it; accounts; the further ones leave.
 * An account of a connection: each offset from its first to the publisher's last comes once, in order, or lies in a GAP; what comes behind a
 * GAP from inside it has filled it. */
enum { GAPS = 4096, TAIL = 100 };
struct account { u64 next, events, gaps, missed, filled, unaccounted, dup, odd, reason[8], live; int open, closed; u32 code; struct { u64 from, to, next; int reason; } gap[GAPS]; };
static u64 tail_from;
static void acct_event(conn *c, u64 off) {
  struct account *a = c->acct; a->events++;
  if (off >= a->next) { a->unaccounted += off - a->next; a->next = off + 1; if (tail_from && off >= tail_from) a->live++; return; }
  for (int i = 0; i < a->open; i++) if (off >= a->gap[i].from && off <= a->gap[i].to) {
    if (off < a->gap[i].next) break;
    a->gap[i].next = off + 1; a->filled++; return;
  }
  a->dup++;
}
static void acct_gap(conn *c, u64 from, u64 to, int reason) {
  struct account *a = c->acct; a->gaps++; a->missed += to - from + 1; a->reason[reason & 7]++;
  if (from < a->next) a->odd++; /* announces again what has come, or has been announced */
  if (from > a->next) a->unaccounted += from - a->next;
  if (to >= a->next) a->next = to + 1;
  c->hm->lastoff[0] = from - 1; /* what fills it comes behind it, and rises */
  if (a->open < GAPS) { a->gap[a->open].from = a->gap[a->open].next = from; a->gap[a->open].to = to; a->gap[a->open++].reason = reason; } else a->odd++;
}
static void acct_filled(conn *c, u64 from, u64 to) { /* GAP_CLOSED: all of it has come; nobody filters here, so all is all */
  struct account *a = c->acct; int found = 0;
  for (int i = a->open; i-- > 0;) if (a->gap[i].from >= from && a->gap[i].to <= to) { found++; a->gap[i] = a->gap[--a->open]; }
  if (!found) a->odd++;
  if (c->hm->lastoff[0] < to) c->hm->lastoff[0] = to;
}
static void acct_closed(conn *c, u32 code) { c->acct->closed = 1; if (code) c->acct->code = code; }
static u64 cpu_ns(void) { /* of the broker, finer than /proc tells */
  clockid_t id; struct timespec t; if (!spid || clock_getcpuclockid(spid, &id) || clock_gettime(id, &t)) return 0;
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static int slow_settle(void) { /* until the others have everything and the publisher its answers */
  u64 end = now() + 10000000000ull, t; lastprogress = now();
  while ((delivered < expected || unacked()) && (t = now()) < end && t < lastprogress + 3000000000ull) pump(t + 2000000);
  return delivered == expected && !unacked();
}
static void slow_flood(double s, double *span, u64 *cpu, u64 *deliv) {
  m_flood = 1; rhead = published; memset(ring, 0, (rmask + 1) * 4); memset(&H, 0, sizeof H);
  u64 t0 = now(), end = t0 + s * 1e9, t, c0 = cpu_ns(), d0 = delivered, p0 = published; tmeas0 = t0; tmeas1 = end; lastprogress = t0;
  while ((t = now()) < end && (!most || published - p0 < most / 2) && t < lastprogress + 5000000000ull) {
    u64 can = (u64)window - (published - rhead);
    if (can && pubs[0].out.len - pubs[0].out.off < 65536) {
      while (can-- && pubs[0].out.len - pubs[0].out.off < 131072 && P->room(&pubs[0])) publish(&pubs[0], 0, t);
      flush(&pubs[0]);
    }
    pump(t + 100000000);
  }
  t = now(); *span = (t - t0) / 1e9; *cpu = cpu_ns() - c0; *deliv = delivered - d0;
}
static void slow_rate(double s, double r, u64 *cpu, u64 *deliv) { /* the first tenth of a second is not measured */
  m_flood = 0; memset(&H, 0, sizeof H); memset(&Hlate, 0, sizeof Hlate);
  u64 t0 = now() + 1000000, i = 0, total = (s + 0.1) * r, t, c0 = 0, d0 = 0; double gap = 1e9 / r; int marked = 0;
  tmeas0 = t0 + 100000000; tmeas1 = t0 + (s + 0.1) * 1e9;
  while (i < total && (t = now()) < tmeas1 + 5000000000ull) {
    if (!marked && t >= tmeas0) { marked = 1; c0 = cpu_ns(); d0 = delivered; }
    u64 due = t0 + (u64)(i * gap); int waiting = 0, cnt = 0;
    while (i < total && due <= t && cnt++ < 256) {
      if (!P->room(&pubs[0])) { waiting = 1; break; }
      if (t >= tmeas0) hadd(&Hlate, t - due);
      publish(&pubs[0], 0, due); i++; due = t0 + (u64)(i * gap);
    }
    flush(&pubs[0]); pump(waiting ? t + 1000000 : due);
  }
  *cpu = cpu_ns() - c0; *deliv = delivered - d0;
}
static void slow_tail(int n, double r) { /* live events, not measured */
  u64 t0 = now(); m_flood = 0; tmeas0 = tmeas1 = 0;
  for (int i = 0; i < n;) { u64 t = now(); if (t >= t0 + (u64)(i * 1e9 / r) && P->room(&pubs[0])) { publish(&pubs[0], 0, t); i++; flush(&pubs[0]); } else pump(t + 200000); }
}
static void slow_hold(int block, const char *kind) { /* somebody looks at the broker, and says go on */
  static int open = 1; char b[64]; if (!hold || !open) return;
  printf("HELD block=%d kind=%s runid=%08x\n", block, kind, runid); fflush(stdout);
  for (struct pollfd in = { 0, POLLIN, 0 };;) {
    if (poll(&in, 1, 0) > 0) { open = read(0, b, sizeof b) > 0; return; }
    pump(now() + 2000000);
  }
}
static int slow_done(conn *x, u64 last) { return x->fd < 0 || x->acct->closed || x->acct->next > last; }
static int slow_round(int block, char k, int first) {
  const char *kind = k == 'a' ? "absent" : k == 'r' ? "reading" : k == 's' ? "socket" : "handler";
  int n = k == 'a' ? 0 : stalled, base = nall; conn *x = calloc(n + 1, sizeof *x); static int idx; if (!idx) idx = nsub;
  u64 lost0 = expected - delivered, dis0 = disorder, odd0 = odd, refused0 = refused, cpu, cpur, deliv, delivr; double span; tail_from = 0;
  first_credit = k == 'h' ? 1 << 18 : 1ull << 60;
  for (int i = 0; i < n; i++) {
    x[i].acct = calloc(1, sizeof *x[i].acct); x[i].extra = 1;
    open_conn(&x[i], idx++, 0, 0, 0); x[i].acct->next = x[i].hm->lastoff[0] + 1;
    if (k == 's') { epoll_ctl(ep, EPOLL_CTL_DEL, x[i].fd, NULL); x[i].stopped = 1; }
  }
  first_credit = 1ull << 60;
  slow_flood(fill, &span, &cpu, &deliv); int settled = slow_settle();
  u64 busy0 = busy_all(), self0 = self_cpu(), broker0 = cpu_of(spid), b0 = now();
  slow_flood(secs, &span, &cpu, &deliv); double fp50 = hq(&H, .5); settled &= slow_settle();
  slow_rate(secs, rate, &cpur, &delivr); settled &= slow_settle();
  double foreign = (double)((long)(busy_all() - busy0) - (long)(self_cpu() - self0) - (long)(cpu_of(spid) - broker0)) / 1e3 / ((now() - b0) / 1e6);
  slow_hold(block, kind);
  u64 t0 = now(), last, t, quiet = t0, seen = 0, took = 0; tail_from = pubs[0].hm->lastoff[0] + 1;
  for (int i = 0; i < n; i++) {
    if (k == 'h' && agreed_features & HM_CREDIT_BIT) { hm_grant(&x[i], 1ull << 60); flush(&x[i]); }
    if (k == 's') { x[i].stopped = 0; x[i].wantout = 0; struct epoll_event e = { .events = EPOLLIN, .data.ptr = &x[i] }; epoll_ctl(ep, EPOLL_CTL_ADD, x[i].fd, &e); flush(&x[i]); }
  }
  slow_tail(TAIL, 500); settled &= slow_settle(); last = pubs[0].hm->lastoff[0];
  for (;;) { /* until all are accounted for; a gap that is being filled closes before the next event, so that is the end of it */
    int done = 0; u64 got = 0; t = now();
    for (int i = 0; i < n; i++) { done += slow_done(&x[i], last); got += x[i].acct->events + x[i].acct->gaps; }
    if (done == n) { took = t - t0; break; }
    if (got != seen) { seen = got; quiet = t; }
    if (t > quiet + 3000000000ull || t > t0 + 30000000000ull) { took = t - t0; fprintf(stderr, "the stopped ones got no further\n"); break; }
    pump(t + 2000000);
  }
  t = now(); while (now() < t + 20000000) pump(t + 20000000); /* what should not come any more */
  struct account s = { 0 }; int closed = 0, unfilled = 0; u32 code = 0; u64 least = ~0ull; (void)first;
  for (int i = 0; i < n; i++) {
    struct account *a = x[i].acct; s.events += a->events; s.gaps += a->gaps; s.missed += a->missed; s.filled += a->filled; s.unaccounted += a->unaccounted;
    s.dup += a->dup; s.odd += a->odd; s.live += a->live; closed += a->closed; unfilled += a->open; if (a->code) code = a->code;
    for (int r = 0; r < 8; r++) s.reason[r] += a->reason[r];
    if (!a->closed && a->next <= last) s.unaccounted += last + 1 - a->next;
    if (a->events < least) least = a->events;
  }
  for (int i = 0; i < n; i++) {
    conn *c = &x[i]; if (c->fd >= 0) { hm_bye(c); close(c->fd); }
    free(c->hm->handle); free(c->hm->lastid); free(c->hm->lastoff); free(c->hm->key); free(c->hm->val); free(c->hm->from); free(c->hm);
    free(c->acct); free(c->last); free(c->tail.p); free(c->out.p);
  }
  nall = base; free(x);
  printf("ROUND block=%d kind=%s stopped=%d others=%d span=%.6f deliv_s=%.0f flood_p50=%.1f p50=%.1f p90=%.1f p99=%.1f p999=%.1f max=%.1f n=%lu late_p99=%.1f cpu_us=%.4f cpu_rate_us=%.4f foreign=%.2f "
         "features=%lu events=%lu least=%lu gaps=%lu missed=%lu filled=%lu unfilled=%d shed=%lu overrun=%lu expired=%lu live=%lu unaccounted=%lu dup=%lu gap_odd=%lu conn_closed=%d code=%u "
         "took_ms=%.1f lost=%ld disorder=%lu odd=%lu refused=%lu settled=%d rss_kib=%lu\n",
         block, kind, n, nsub, span, span > 0 ? deliv / span : 0, fp50, hq(&H, .5), hq(&H, .9), hq(&H, .99), hq(&H, .999), H.max / 1000.0, H.n, hq(&Hlate, .99), deliv ? cpu / 1e3 / deliv : 0, delivr ? cpur / 1e3 / delivr : 0, foreign,
         n ? agreed_features : 0, s.events, n ? least : 0, s.gaps, s.missed, s.filled, unfilled, s.reason[1], s.reason[2], s.reason[3], s.live, s.unaccounted, s.dup, s.odd, closed, code,
         took / 1e6, (long)(expected - delivered - lost0), disorder - dis0, odd - odd0, refused - refused0, settled, rss_of(spid));
  fflush(stdout); return settled;
}
static void run_slow(void) {
  u64 cap = 1; while (cap < (u64)window * 2) cap *= 2;
  ring = calloc(cap, 4); rmask = cap - 1; int n = strlen(kinds); char order[8];
  for (int b = 0; b <= pairs && !failed; b++) { /* block 0 warms up: it is printed, and nobody counts it */
    memcpy(order, kinds, n + 1);
    for (int i = n - 1; i > 0; i--) { int j = next() % (i + 1); char t = order[i]; order[i] = order[j]; order[j] = t; }
    for (int i = 0; i < n; i++) if (!slow_round(b, order[i], i == 0)) die("the-others-lost-events-or-answers");
  }
  printf("RESULT mode=slow proto=%s subs=%d stalled=%d published=%lu acked=%lu refused=%lu unacked=%lu delivered=%lu lost=%lu disorder=%lu dup=%lu odd=%lu closed=%d close=%u\n",
         P->name, nsub + stalled, stalled, published, acked, refused, unacked(), delivered, expected - delivered, disorder, dups, odd, failed, closecode);
}
static void usage(void) {
  fprintf(stderr, "usage: loadgen MODE --proto NAME [options]\n"
    " pingpong               1 pub, 1 sub, one message outstanding\n"
    " rate                   open loop: --pubs --subs --chans --rate(total msg/s)\n"
    " flood                  1 pub -> --subs, at most --window messages not yet delivered to ALL subscribers\n"
    " topics                 1 pub -> --chans topics, each with one of --subs subscribers; --pick one|spread|uniform|zipf\n"
    "                        (spread: one topic of each subscriber), --window as in flood\n"
    " ack                    1 pub, --window unacknowledged; latency of the publish ack (js, xadd, mqtt1, hermod)\n"
    " idle                   --subs N idle subscribed connections; RSS of --pid per connection; --hold: until stdin ends\n"
    " slow                   1 pub -> --subs, of which --stalled are absent, read, or stop, in --pairs blocks of --kinds (of arsh: absent,\n"
    "                        reading, socket not read, handler that grants no credit), after --fill s at --secs of flood and of --rate (hermod);\n"
    "                        --most: events of a round before the fixed rate;\n"
    "                        --hold: HELD before the stopped ones go on, which the next line of stdin lets them; --seed: order of the rounds\n"
    " --across HOST:PORT     pingpong with publisher and subscriber on different shards, by what the admin port tells (hermod)\n"
    " --port --host --size --secs --warm --count --pid(server, or several with commas) --spin --replicas(js)\n protocols:");
  for (proto *p = protos; p->name; p++) fprintf(stderr, " %s", p->name);
  fprintf(stderr, "\n"); exit(2);
}
int main(int argc, char **argv) {
  if (argc < 4) usage();
  mode = argv[1]; const char *pn = "";
  for (int i = 2; i < argc; i++) {
    const char *o = argv[i]; if (!strcmp(o, "--spin")) { spin = 1; continue; } if (!strcmp(o, "--hold")) { hold = 1; continue; }
    if (i + 1 >= argc) usage();
    const char *v = argv[++i];
    if (!strcmp(o, "--proto")) pn = v; else if (!strcmp(o, "--port")) port = atoi(v); else if (!strcmp(o, "--host")) host = v;
    else if (!strcmp(o, "--pubs")) npub = atoi(v); else if (!strcmp(o, "--subs")) nsub = atoi(v); else if (!strcmp(o, "--chans")) nchan = atoi(v);
    else if (!strcmp(o, "--rate")) rate = atof(v); else if (!strcmp(o, "--secs")) secs = atof(v); else if (!strcmp(o, "--warm")) warm = atof(v);
    else if (!strcmp(o, "--size")) size = atoi(v); else if (!strcmp(o, "--window")) window = atoi(v); else if (!strcmp(o, "--count")) maxcount = strtoull(v, 0, 10);
    else if (!strcmp(o, "--across")) across = v; else if (!strcmp(o, "--stalled")) stalled = atoi(v); else if (!strcmp(o, "--pairs")) pairs = atoi(v);
    else if (!strcmp(o, "--kinds")) kinds = v; else if (!strcmp(o, "--fill")) fill = atof(v); else if (!strcmp(o, "--most")) most = strtoull(v, 0, 10); else if (!strcmp(o, "--seed")) rnd ^= strtoull(v, 0, 10) * 0x9E3779B97F4A7C15ull;
    else if (!strcmp(o, "--pick")) { if (!strcmp(v, "zipf")) pick = PICK_ZIPF; else if (!strcmp(v, "spread")) pick = PICK_SPREAD; else if (!strcmp(v, "uniform")) pick = PICK_UNIFORM; else if (strcmp(v, "one")) usage(); }
    else if (!strcmp(o, "--pid")) { for (const char *q = v; q && nspid < 8; q = strchr(q, ','), q = q ? q + 1 : 0) spids[nspid++] = atoi(q); spid = spids[0]; } else if (!strcmp(o, "--replicas")) replicas = atoi(v); else usage();
  }
  for (P = protos; P->name && strcmp(P->name, pn); P++);
  if (!P->name || size < 32 || size > (int)sizeof pay || secs > 120 || npub > 64 || window > 30000 || nchan < 1 || nchan > 65536) usage();
  if (!port) port = P->port;
  is_js = !strcmp(pn, "js"); is_xadd = !strcmp(pn, "xadd"); qos = !strcmp(pn, "mqtt1");
  struct rlimit rl = { 1048576, 1048576 }; if (setrlimit(RLIMIT_NOFILE, &rl)) { getrlimit(RLIMIT_NOFILE, &rl); rl.rlim_cur = rl.rlim_max; setrlimit(RLIMIT_NOFILE, &rl); }
  prctl(PR_SET_TIMERSLACK, 1); memset(pay, 'x', sizeof pay);
  ep = epoll_create1(0); runid = getpid() ^ (u32)now();
  if (!strcmp(mode, "idle")) { run_idle(nsub); fflush(stdout); bye(); _exit(0); }
  m_ack = !strcmp(mode, "ack"); m_topics = !strcmp(mode, "topics"); m_flood = m_topics || !strcmp(mode, "flood"); m_ping = !strcmp(mode, "pingpong");
  if (m_ack || m_ping || m_flood) npub = 1;
  int m_slow = !strcmp(mode, "slow");
  if (m_slow) { /* --subs are the others from here on */
    if (!P->submany || stalled < 0 || stalled >= nsub || pairs < 1 || !*kinds || strlen(kinds) > 7 || kinds[strspn(kinds, "arsh")]) usage();
    npub = nchan = 1; nsub -= stalled; ask_features = HM_CREDIT_BIT | HM_GAP_BIT; first_credit = 1ull << 60;
  }
  if (m_ack || m_ping || (m_flood && !m_topics)) nchan = 1;
  if (m_topics) { if (nsub < 1 || nchan % nsub || size < 36) usage(); persub = nchan / nsub; step = nsub; make_picks(); }
  else owed = nsub;
  if (m_ack) nsub = 0;
  if (m_ping) nsub = 1;
  pubs = calloc(npub, sizeof *pubs); subs = calloc(nsub + 1, sizeof *subs);
  for (int i = 0; i < nsub; i++) {
    if (m_slow) subs[i].acct = calloc(1, sizeof *subs[i].acct);
    open_conn(&subs[i], i, 0, i % nchan, 0); if (m_slow) subs[i].acct->next = subs[i].hm->lastoff[0] + 1;
    for (int k = 0; k < persub; k++) subs_on[i % nchan + k * step]++; }
  if (across && m_ping && P->room) open_across(); else for (int i = 0; i < npub; i++) open_conn(&pubs[i], i, 1, 0, 0);
  if (m_ack || m_ping || m_flood) run_closed();
  else if (m_slow) run_slow();
  else if (!strcmp(mode, "rate")) run_rate();
  else usage();
  fflush(stdout); bye(); _exit(0);
}
