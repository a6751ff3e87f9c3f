#!/usr/bin/env bash
# idle.sh [-o file] [N] [lane ...] - N idle subscribed connections (default 10000) against a fresh instance of every lane, one after the
# other: growth of the server's resident set per connection, connection rate, idle CPU.  Under 2 minutes for 10000.
# Of a JVM also the live heap per connection (class histogram after a full collection, before and after), and where -XX:NativeMemoryTracking=summary
# is on, what grew outside it.  -o: keys and values of each lane go there, and no table is printed; histograms lie beside it.
cd "$(dirname "$0")" || exit 1
[ "${1:-}" = -o ] && { OUT=$2 TOLD=1; shift 2; }
[ -n "${TOLD:-}" ] && say() { echo "$*" >&2; } || say() { :; }
make -s || exit 1
source ./peers.sh
N=${1:-10000}; shift; [ "$N" -gt 100000 ] && N=100000
[ -n "${OUT:-}" ] || { mkdir -p results; OUT=results/idle-$(date +%H%M%S).raw; }; : >"$OUT"
[ -n "${TOLD:-}" ] || { echo "| peer | connections | RSS before KiB | RSS after KiB | KiB per connection | live heap KiB per connection | connections/s | CPU us per connection | idle CPU % |"
  echo "|---|---|---|---|---|---|---|---|---|"; }
rss() { sed -n 's/^VmRSS:[ \t]*\([0-9]*\).*/\1/p' "/proc/${PID[$1]}/status"; }
look() { # lane when: resident set after a full collection, live heap; histogram and native memory into files
  local jcmd; jcmd=$(dirname "$(readlink -f "/proc/${PID[$1]}/exe")")/jcmd
  case $1 in hermod*|netty*) if [ -x "$jcmd" ]; then
    "$jcmd" "${PID[$1]}" GC.run >/dev/null 2>&1; "$jcmd" "${PID[$1]}" GC.class_histogram >"$OUT.$1.$2.histogram" 2>/dev/null # live objects only: collects once more
    "$jcmd" "${PID[$1]}" VM.native_memory summary 2>/dev/null | grep -q 'Total: reserved' && "$jcmd" "${PID[$1]}" VM.native_memory summary >"$OUT.$1.$2.native"
    sleep 1; echo -n "heap_$2=$(awk '$1 == "Total" { print $3 }' "$OUT.$1.$2.histogram") "; fi ;; esac
  echo -n "rss_$2=$(rss "$1") "
}
for n in ${@:-relay netty hermod nats redis mosquitto}; do
  installed "$n" || continue
  say "starting $n"
  start_peer "$n" || { case $n in hermod*) exit 3 ;; esac; continue; }
  printf '#version\t%s\t%s\n' "$n" "$(version_of "$n")" >>"$OUT"
  export HERMOD_TOKEN=${TOKEN[$n]:-}
  # touch the server once first, so that lazily loaded code is not charged to the connections
  timeout 20 ./loadgen flood --proto ${PROTO[$n]} --port ${PORT[$n]} --subs 50 --window 50 --secs 1 --warm 0 >/dev/null 2>&1
  case $n in hermod*|netty*) say "$n: a first 500 connections"; timeout 60 ./loadgen idle --subs 500 --proto ${PROTO[$n]} --port ${PORT[$n]} --pid ${PID[$n]} >/dev/null 2>&1 ;; esac
  sleep 1; before=$(look "$n" before)
  say "$n: opening $N connections"
  rm -f "$RUN/hold"; mkfifo "$RUN/hold"; : >"$RUN/gen"
  timeout 200 nice -n "${NICE:-0}" ./loadgen idle --hold --subs "$N" --proto ${PROTO[$n]} --port ${PORT[$n]} --pid ${PID[$n]} <"$RUN/hold" >"$RUN/gen" 2>>"$OUT.err" & gen=$!
  exec 9>"$RUN/hold" # it holds its connections until this is closed
  while kill -0 $gen 2>/dev/null && ! grep -q . "$RUN/gen"; do sleep 0.1; done
  after=; if grep -q '^HELD' "$RUN/gen"; then say "$n: looking at its memory"; after=$(look "$n" after); fi
  exec 9>&-; wait $gen 2>/dev/null; line=$(grep RESULT "$RUN/gen")
  echo "lane=$n $before$after${line:-RESULT error=none}" >>"$OUT"
  [ -n "${TOLD:-}" ] || awk 'END { for (i = 1; i <= NF; i++) { k = index($i, "="); f[substr($i, 1, k - 1)] = substr($i, k + 1) }
    if (!("conns" in f)) { print "| " f["lane"] " | failed: " f["error"] " |"; exit }
    printf "| %s | %d | %d | %d | %.1f | %s | %d | %.0f | %.1f |\n", f["lane"], f["conns"], f["rss_before"], f["rss_after"], (f["rss_after"] - f["rss_before"]) / f["conns"],
      ("heap_after" in f) ? sprintf("%.1f", (f["heap_after"] - f["heap_before"]) / 1024 / f["conns"]) : "-", f["conn_s"], f["open_cpu_us"], f["idle_cpu_pct"] }' "$OUT"
  kill "${PID[$n]}"; wait "${PID[$n]}" 2>/dev/null; unset "PID[$n]"
done
