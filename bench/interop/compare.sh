#!/usr/bin/env bash
# compare.sh [quick|full] [-p "lane lane ..."] [-r rounds] [-t seconds] [-x factor] [-o file] [workload ...]
#   Every workload runs against every lane (peer:qos) in turn, interleaved over rounds (A B C A B C ...); the
#   table holds medians over rounds and the ratio to the relay floor.  Idle peers are SIGSTOPped meanwhile.
#   A run during which other jobs used more than 0.25 core is "noisy": it counts only if the lane has no quiet run.
#   On a loaded machine the run stops at the time limit (-t) and reports the rounds it has.  -x: factor on the measured time of each run.
#   NICE=-10 in the environment raises the priority of peers and generator on a shared machine.
#   -o: the raw lines go there, each run is told on stderr, and no table is printed: hermod-bench compare makes its own.
# quick: under 60 s.   full: under 8 minutes.    Raw lines go to results/ (not tracked) otherwise.
# Exit 0; 1 something did not start; 2 wrong call; 3 a lane of Hermod did not start.
cd "$(dirname "$0")" || exit 1
[ -n "${MAKE_SKIP:-}" ] || make -s || exit 1
MODE=quick; case ${1:-} in quick|full) MODE=$1; shift ;; esac
if [ $MODE = full ]; then ROUNDS=3 SCALE=1 QUIET_BUDGET=30 LIMIT=415; LANES="relay netty hermod nats redis mosquitto:0 mosquitto:1"; WL="pingpong rate5k rate40k flood-128 flood-1k fan100-128 fan100-1k fan1000-128 fan1000-1k"
else ROUNDS=1 SCALE=0.5 QUIET_BUDGET=6 LIMIT=48; LANES="relay netty hermod nats redis mosquitto:0 mosquitto:1"; WL="pingpong rate5k flood-128 fan100-128"; fi
OUT=
while getopts p:r:t:x:o: o; do case $o in p) LANES=$OPTARG ;; r) ROUNDS=$OPTARG ;; t) LIMIT=$OPTARG ;; x) SCALE=$OPTARG ;; o) OUT=$OPTARG ;; *) exit 2 ;; esac; done; shift $((OPTIND - 1))
[ $# -gt 0 ] && WL="$*"
source ./peers.sh
have= gone=; for lane in $LANES; do n=${lane%:*}
  case $gone in *" $n "*) continue ;; esac
  if installed "$n"; then have+="$lane "; else gone+=" $n "; fi; done; LANES=$have
LG() { HERMOD_TOKEN=${TOKEN[$n]:-} timeout 60 nice -n "${NICE:-0}" ./loadgen "$@"; }
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
    topics-one|topics-spread|topics-uniform|topics-zipf) A="topics --subs 100 --chans 10000 --window 1000 --pick ${1#topics-}" M=1.2 W=0.4 ;;
    crossing) A="pingpong ${n:+${ADMIN[$n]:+--across ${ADMIN[$n]}}}" M=1.5 W=0.3 ;; # publisher and subscriber on two shards, where there are two
    *) echo "unknown workload $1" >&2; exit 2 ;;
  esac
  A="$A --secs $(awk "BEGIN{print $M*$SCALE}") --warm $W"
}
n=; for w in $WL; do args "$w"; done # a wrong name is told before anything starts
proto_of() { local n=${1%:*} q=${1#*:}; [ "${PROTO[$n]}" = mqtt ] && [ "$q" = 1 ] && echo mqtt1 || echo "${PROTO[$n]}"; }
busy() { awk 'NR==1{print $2+$3+$4+$7+$8+$9}' /proc/stat; }
await_quiet() { # wait (out of a shared budget) for a moment in which the rest of the machine is nearly idle
  local a b; while [ "$(awk "BEGIN{print ($QUIET_BUDGET>0)}")" = 1 ]; do
    a=$(busy); sleep 0.15; b=$(busy); [ $((b - a)) -le 4 ] && return
    QUIET_BUDGET=$(awk "BEGIN{print $QUIET_BUDGET-0.16}"); done
}
say() { [ -z "$TOLD" ] || echo "$*" >&2; }
START=$SECONDS TOLD=$OUT
if [ -z "$OUT" ]; then mkdir -p results; OUT=results/$MODE-$(date +%H%M%S).raw; fi; : >"$OUT"
for lane in $LANES; do n=${lane%:*}; [ -n "${PID[$n]:-}" ] && continue
  say "starting $n"
  if ! start_peer "$n"; then case $n in hermod*) exit 3 ;; *) exit 1 ;; esac; fi
  printf '#version\t%s\t%s\n' "$n" "$(version_of "$n")" >>"$OUT"
  case $n in netty*|hermod*) say "warming up $n"; for q in 0 1; do # let the JIT settle before anything is counted
    [ $MODE = full ] && { LG rate --proto "$(proto_of $n:$q)" --port ${PORT[$n]} --pubs 4 --subs 8 --chans 4 --rate 5000 --secs 1.5 --warm 0 >/dev/null; LG flood --proto "$(proto_of $n:$q)" --port ${PORT[$n]} --window 100 --subs 4 --secs 2 --warm 0 >/dev/null
      LG pingpong --proto "$(proto_of $n:$q)" --port ${PORT[$n]} --secs 1.5 --warm 0 >/dev/null; } ||
      LG flood --proto "$(proto_of $n:$q)" --port ${PORT[$n]} --window 100 --subs 4 --secs 1.5 --warm 0 >/dev/null; done ;; esac
  freeze "$n"; done
runs_on() { case $1/$2 in crossing/hermod*) ;; crossing/*) return 1 ;; esac; } # workload lane: only Hermod tells its shards
done_runs=0 all_runs=0; for w in $WL; do for lane in $LANES; do runs_on "$w" "$lane" && all_runs=$((all_runs + ROUNDS)); done; done
for ((r = 1; r <= ROUNDS; r++)); do for w in $WL; do for lane in $LANES; do
  runs_on "$w" "$lane" || continue
  n=${lane%:*}; args "$w"; thaw "$n"; await_quiet
  [ $((SECONDS - START)) -gt "$LIMIT" ] && { freeze "$n"; say "time limit reached in round $r"; [ -n "$TOLD" ] && echo "#limit round $r" >>"$OUT" || echo "# time limit reached in round $r"; break 3; }
  say "run $((++done_runs)) of $all_runs: round $r, $w, $lane"
  line=$(LG $A --proto "$(proto_of "$lane")" --port "${PORT[$n]}" --pid "${PID[$n]}" 2>>"$OUT.err" | grep RESULT)
  echo "workload=$w lane=$lane round=$r ${line:-RESULT error=none}" >>"$OUT"
  sleep 0.05; freeze "$n"
done; done; done
[ -z "$TOLD" ] || exit 0
echo "# $MODE, $ROUNDS round(s), $((SECONDS - START)) s, nice ${NICE:-0}; raw: $OUT"
awk -f table.awk "$OUT"
