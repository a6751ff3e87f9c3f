#!/usr/bin/env bash
# compare.sh [quick|full] [-p "lane lane ..."] [-r rounds] [workload ...]
#   Every workload runs against every lane (peer:qos) in turn, interleaved over rounds (A B C A B C ...); the
#   table holds medians over rounds and the ratio to the relay floor.  Idle peers are SIGSTOPped meanwhile.
#   A run during which other jobs used more than 0.25 core is "noisy": it counts only if the lane has no quiet run.
#   On a loaded machine the run stops at the time limit and reports the rounds it has.
#   NICE=-10 in the environment raises the priority of peers and generator on a shared machine.
# quick: under 60 s.   full: under 8 minutes.    Raw lines go to results/ (not tracked).
cd "$(dirname "$0")" || exit 1
make -s || exit 1
MODE=quick; case ${1:-} in quick|full) MODE=$1; shift ;; esac
if [ $MODE = full ]; then ROUNDS=3 SCALE=1 QUIET_BUDGET=30 LIMIT=415; LANES="relay netty hermod nats redis mosquitto:0 mosquitto:1"; WL="pingpong rate5k rate40k flood-128 flood-1k fan100-128 fan100-1k fan1000-128 fan1000-1k"
else ROUNDS=1 SCALE=0.5 QUIET_BUDGET=6 LIMIT=48; LANES="relay netty hermod nats redis mosquitto:0 mosquitto:1"; WL="pingpong rate5k flood-128 fan100-128"; fi
while getopts p:r: o; do case $o in p) LANES=$OPTARG ;; r) ROUNDS=$OPTARG ;; *) exit 2 ;; esac; done; shift $((OPTIND - 1))
[ $# -gt 0 ] && WL="$*"
source ./peers.sh
have=; for lane in $LANES; do case " $have" in *" ${lane%:*} "*|*" ${lane%:*}:"*) have+="$lane " ;; *) installed "${lane%:*}" && have+="$lane " ;; esac; done; LANES=$have
LG() { timeout 40 nice -n "${NICE:-0}" ./loadgen "$@"; }
args() { # workload -> mode, options, measured seconds, warm-up seconds
  case $1 in
    pingpong) A="pingpong" M=1.0 W=0.2 ;;
    rate5k) A="rate --pubs 4 --subs 8 --chans 4 --rate 5000" M=1.5 W=0.3 ;;
    rate40k) A="rate --pubs 4 --subs 4 --chans 4 --rate 40000" M=1.2 W=0.3 ;;
    flood-128) A="flood --window 1000 --size 128" M=0.8 W=0.2 ;;
    flood-1k) A="flood --window 1000 --size 1024" M=0.8 W=0.2 ;;
    fan100-128) A="flood --subs 100 --window 256 --size 128" M=1.0 W=0.2 ;;
    fan100-1k) A="flood --subs 100 --window 256 --size 1024" M=1.0 W=0.2 ;;
    fan1000-128) A="flood --subs 1000 --window 64 --size 128" M=1.2 W=0.3 ;;
    fan1000-1k) A="flood --subs 1000 --window 64 --size 1024" M=1.2 W=0.3 ;;
    *) echo "unknown workload $1" >&2; exit 2 ;;
  esac
  A="$A --secs $(awk "BEGIN{print $M*$SCALE}") --warm $W"
}
proto_of() { local n=${1%:*} q=${1#*:}; [ "${PROTO[$n]}" = mqtt ] && [ "$q" = 1 ] && echo mqtt1 || echo "${PROTO[$n]}"; }
busy() { awk 'NR==1{print $2+$3+$4+$7+$8+$9}' /proc/stat; }
await_quiet() { # wait (out of a shared budget) for a moment in which the rest of the machine is nearly idle
  local a b; while [ "$(awk "BEGIN{print ($QUIET_BUDGET>0)}")" = 1 ]; do
    a=$(busy); sleep 0.15; b=$(busy); [ $((b - a)) -le 4 ] && return
    QUIET_BUDGET=$(awk "BEGIN{print $QUIET_BUDGET-0.16}"); done
}
START=$SECONDS; mkdir -p results; OUT=results/$MODE-$(date +%H%M%S).raw; : >"$OUT"
for lane in $LANES; do n=${lane%:*}; [ -n "${PID[$n]:-}" ] && continue
  start_peer "$n" || exit 1
  case $n in netty*|hermod) for q in 0 1; do # let the JIT settle before anything is counted
    [ $MODE = full ] && { LG rate --proto "$(proto_of $n:$q)" --port ${PORT[$n]} --pubs 4 --subs 8 --chans 4 --rate 5000 --secs 1.5 --warm 0 >/dev/null; LG flood --proto "$(proto_of $n:$q)" --port ${PORT[$n]} --window 100 --subs 4 --secs 2 --warm 0 >/dev/null
      LG pingpong --proto "$(proto_of $n:$q)" --port ${PORT[$n]} --secs 1.5 --warm 0 >/dev/null; } ||
      LG flood --proto "$(proto_of $n:$q)" --port ${PORT[$n]} --window 100 --subs 4 --secs 1.5 --warm 0 >/dev/null; done ;; esac
  freeze "$n"; done
for ((r = 1; r <= ROUNDS; r++)); do for w in $WL; do for lane in $LANES; do
  n=${lane%:*}; args "$w"; thaw "$n"; await_quiet
  [ $((SECONDS - START)) -gt $LIMIT ] && { echo "# time limit reached in round $r" ; freeze "$n"; break 3; }
  line=$(LG $A --proto "$(proto_of "$lane")" --port "${PORT[$n]}" --pid "${PID[$n]}" 2>>"$OUT.err" | grep RESULT)
  echo "workload=$w lane=$lane round=$r ${line:-RESULT error=none}" >>"$OUT"
  sleep 0.05; freeze "$n"
done; done; done
echo "# $MODE, $ROUNDS round(s), $((SECONDS - START)) s, nice ${NICE:-0}; raw: $OUT"
awk -f table.awk "$OUT"
