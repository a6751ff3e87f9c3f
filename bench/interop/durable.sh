#!/usr/bin/env bash
# durable.sh [rounds] - the durable-publish anchors: raw fdatasync of this disk, Redis Streams XADD (appendfsync no,
# everysec, always), NATS JetStream file storage R1, and R3 on three loopback nodes; Hermod's acknowledgement beside them.  1 and 100 publishes in flight,
# latency of the publish acknowledgement.  Interleaved rounds, medians.  Note that JetStream 2.9 acknowledges after
# write(), not after fsync (it syncs every 2 minutes) and that Hermod's default channel keeps events in memory; only "xadd always" and fdatasync survive a power cut.
# Files are written under PERF_DISK (default: the temporary directory).  About 30 s per round.
cd "$(dirname "$0")" || exit 1
make -s || exit 1
source ./peers.sh
R=${1:-3}; [ "$R" -gt 5 ] && R=5
LG() { HERMOD_TOKEN=${TOKEN[$n]:-} timeout 30 nice -n "${NICE:-0}" ./loadgen "$@"; }
mkdir -p results; OUT=results/durable-$(date +%H%M%S).raw; : >"$OUT"
F="${PERF_DISK:-$RUN}/fsyncbench.dat"
LANES=; for n in hermod xadd-no xadd-everysec xadd-always js; do installed $n && LANES+="$n "; done
for n in $LANES; do start_peer $n || exit 1; freeze $n; done
for ((r = 1; r <= R; r++)); do
  nice -n "${NICE:-0}" ./fsyncbench "$F" 0.8 | sed "s/^/round=$r lane=disk /" >>"$OUT"
  for n in $LANES; do thaw $n; for w in 1 100; do
    echo "round=$r lane=$n w=$w $(LG ack --proto ${PROTO[$n]} --port ${PORT[$n]} --pid ${PID[$n]} --window $w --secs 1.2 --warm 0.3 2>>"$OUT.err" | grep RESULT)" >>"$OUT"
  done; freeze $n; done
done
stop_all; PID=(); mkdir -p "$RUN"
# three nodes are started together: none answers on its own before the route is up
case $LANES in *"js "*) ;; *) awk -f durable.awk "$OUT"; echo "# $R rounds; raw: $OUT"; exit ;; esac
for n in js3a js3b js3c; do start_peer $n || exit 1; done
sleep 6
pids="${PID[js3a]},${PID[js3b]},${PID[js3c]}"
for ((r = 1; r <= R; r++)); do for w in 1 100; do
  echo "round=$r lane=js-r3 w=$w $(LG ack --proto js --port ${PORT[js3a]} --pid $pids --replicas 3 --window $w --secs 1.5 --warm 0.3 2>>"$OUT.err" | grep RESULT)" >>"$OUT"
done; done
awk -f durable.awk "$OUT"
echo "# $R rounds; raw: $OUT"
