#!/usr/bin/env bash
# smoke.sh HOST PORT - does the C client get along with the broker that listens there?  Half a second each of pingpong, flood,
# fan-out to 20, several publishers on several topics, and acknowledgements.  Prints the RESULT lines and PASS or FAIL.
# HERMOD_TOKEN: the token, empty for a broker in development mode.  HERMOD_CHANNEL: the channel, tasks unless told.
# Exit 0 PASS, 1 FAIL, 2 wrong call or nothing to compile with.
cd "$(dirname "$0")" || exit 2
[ $# -eq 2 ] || { echo "usage: smoke.sh HOST PORT" >&2; exit 2; }
LOADGEN=${LOADGEN:-./loadgen}
[ "$LOADGEN" != ./loadgen ] || make -s loadgen >&2 || exit 2
host=$(getent ahostsv4 "$1" | awk 'NR == 1 { print $1 }'); host=${host:-$1}; verdict=PASS
check() { # MODE options ...: the run must answer everything, lose nothing and break no promise
  local line why
  line=$(timeout 20 "$LOADGEN" "$@" --proto hermod --host "$host" --port "$port" --secs 0.5 --warm 0.1 | grep '^RESULT')
  why=$(awk '{ for (i = 1; i <= NF; i++) { k = index($i, "="); f[substr($i, 1, k - 1)] = substr($i, k + 1) } }
    END { if (!("n" in f)) { print "no result " f["error"]; exit }
      split("lost disorder closed refused unacked odd dup close", z, " "); for (i in z) if (!(z[i] in f) || f[z[i]] + 0) printf "%s=%s ", z[i], f[z[i]]
      if (f["n"] + 0 < 10) printf "n=%s ", f["n"]; if (f["acked"] + 0 < 10) printf "acked=%s", f["acked"] }' <<<"$line")
  echo "${line:-RESULT error=none}"
  [ -z "$why" ] || { echo "FAIL $1: $why"; verdict=FAIL; }
}
port=$2
check pingpong
check flood --window 200
check flood --window 50 --subs 20
check rate --pubs 2 --subs 3 --chans 3 --rate 600
check ack --window 1
check ack --window 100
echo "$verdict"; [ $verdict = PASS ]
