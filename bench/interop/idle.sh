#!/usr/bin/env bash
# idle.sh [N] [peer ...] - N idle subscribed connections (default 10000) against a fresh instance of every peer, one after the
# other: growth of the server's resident set per connection, connection rate, idle CPU.  Under 2 minutes for 10000.
cd "$(dirname "$0")" || exit 1
make -s || exit 1
source ./peers.sh
N=${1:-10000}; shift; [ "$N" -gt 100000 ] && N=100000
mkdir -p results; OUT=results/idle-$(date +%H%M%S).raw; : >"$OUT"
echo "| peer | connections | RSS before KiB | RSS after KiB | KiB per connection | connections/s | CPU us per connection | idle CPU % |"
echo "|---|---|---|---|---|---|---|---|"
for n in ${@:-relay netty hermod nats redis mosquitto}; do
  installed $n || continue
  start_peer $n || continue
  # touch the server once first, so that lazily loaded code is not charged to the connections
  export HERMOD_TOKEN=${TOKEN[$n]:-}
  timeout 20 ./loadgen flood --proto ${PROTO[$n]} --port ${PORT[$n]} --subs 50 --window 50 --secs 1 --warm 0 >/dev/null 2>&1; sleep 1
  timeout 60 nice -n "${NICE:-0}" ./loadgen idle --subs "$N" --proto ${PROTO[$n]} --port ${PORT[$n]} --pid ${PID[$n]} 2>>"$OUT.err" | sed "s/^/lane=$n /" | tee -a "$OUT" |
    sed 's/[^ ]*=//g' | awk '{printf "| %s | %d | %d | %d | %.1f | %d | %.0f | %.1f |\n", $1, $5, $6, $7, $8, $10, $11, $12}'
  kill "${PID[$n]}"; wait "${PID[$n]}" 2>/dev/null; unset "PID[$n]"
done
