#!/usr/bin/env bash
# start.sh [ROUNDS] [JAVA_HOME ...] - how fast a Hermod broker starts and how fast it is at once: for each JDK in turn, a
# fresh broker on free ports, load (flood 1 -> 1) right behind its ready line.  Medians over the rounds (default 5):
#   ready ms   from exec of the launcher to the ready line        stats ms   wall time of "hermod stats", launcher included
#   first/s    events a second in the first 3 s of load           steady/s   the same from 9 to 15 s;  ratio = first / steady
# SIZE (bytes of payload, default 128), SUBS (subscribers, default 1), HERMOD (launcher), HERMOD_JAVA_OPTS.  About 18 s a broker.
cd "$(dirname "$0")" || exit 1
make -s loadgen || exit 1
HERMOD=${HERMOD:-../../broker/bin/hermod}; ROUNDS=${1:-5}; shift
RUN=$(mktemp -d "${TMPDIR:-/tmp}/interop-start.XXXXXX"); PID=
stop() { [ -n "$PID" ] && { kill "$PID" 2>/dev/null; wait "$PID" 2>/dev/null; }; PID=; }
trap 'stop; rm -rf "$RUN"' EXIT; trap 'exit 130' INT TERM
on() { if [ "$1" = default ]; then shift; "$@"; else env JAVA_HOME="$1" "${@:2}"; fi; }
ms() { echo $(($(date +%s%N) / 1000000)); }
flood() { ./loadgen flood --proto hermod --port "$1" --subs "${SUBS:-1}" --size "${SIZE:-128}" --window 1000 --secs "$2" --warm 0 |
  tr ' ' '\n' | sed -n 's/^msgs_s=//p'; }
median() { sort -n | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }
for ((r = 0; r <= ROUNDS; r++)); do # round 0 builds what is missing and is not counted
  for j in "${@:-default}"; do
    d=$RUN/data; rm -rf "$d"; mkdir "$d"
    HERMOD_TOKEN=$(on "$j" "$HERMOD" token --data "$d" --user bench --org bench --right 'pub:*' --right 'sub:*' \
      --right limits:service --right rate:unlimited 2>/dev/null) || { echo "no token" >&2; exit 1; }
    export HERMOD_TOKEN
    t0=$(ms)
    if [ "$j" = default ]; then "$HERMOD" serve --port 0 --ws-port 0 --admin-port 0 --data "$d" >"$d/out" 2>"$d/err" &
    else JAVA_HOME=$j "$HERMOD" serve --port 0 --ws-port 0 --admin-port 0 --data "$d" >"$d/out" 2>"$d/err" & fi
    PID=$!
    until grep -q '^ready ' "$d/out"; do kill -0 "$PID" 2>/dev/null || { cat "$d/err" >&2; exit 1; }; sleep 0.005; done
    t1=$(ms)
    if [ "$r" -gt 0 ]; then
      port=$(sed -n 's/^ready tcp=[^ ]*:\([0-9]*\) .*/\1/p' "$d/out"); admin=$(sed -n 's/^ready .*admin=\([^ ]*\) .*/\1/p' "$d/out")
      first=$(flood "$port" 3); flood "$port" 6 >/dev/null; steady=$(flood "$port" 6)
      t2=$(ms); on "$j" "$HERMOD" stats --admin "$admin" >/dev/null; t3=$(ms)
      echo "$j $((t1 - t0)) $((t3 - t2)) $first $steady $(awk "BEGIN {printf \"%.2f\", $first / $steady}")" | tee -a "$RUN/all" >&2
    fi
    stop
  done
done
echo "| JDK | ready ms | stats ms | first/s | steady/s | ratio |"
echo "|---|---|---|---|---|---|"
for j in "${@:-default}"; do
  echo "| ${j##*/} |$(for c in 2 3 4 5 6; do printf ' %s |' "$(awk -v j="$j" -v c=$c '$1 == j {print $c}' "$RUN/all" | median)"; done)"
done
