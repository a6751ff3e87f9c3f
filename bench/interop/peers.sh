# peers.sh - sourced by compare.sh and durable.sh: starts and stops the peers on loopback, by pid.
# Configuration files, logs and data live in one scratch directory ($RUN), removed at exit.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # where Debian puts servers, and an ordinary user's path ends before
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
HERMOD=${HERMOD:-$HERE/../../broker/bin/hermod} # the broker's launcher
RUN=$(mktemp -d "${TMPDIR:-/tmp}/interop-peers.XXXXXX")
# NICE must also reach the scheduler's autogroup: with autogroups on, nice alone only ranks processes of one session
[ "${NICE:-0}" -lt 0 ] && [ -w /proc/self/autogroup ] && echo "$NICE" >/proc/$$/autogroup 2>/dev/null
declare -A PID PORT PROTO TOKEN ADMIN LANE
ulimit -n 200000 2>/dev/null || ulimit -n "$(ulimit -Hn)"

find_java() { # MIN MAX: newest JVM in that range among PEER_JAVA, JAVA_HOME, the java on the path and its neighbours
  local j v best= bv=$(($1 - 1)) me; me=$(readlink -f "$(command -v java)")
  for j in ${PEER_JAVA:-} ${JAVA_HOME:+$JAVA_HOME/bin/java} "$me" "${me%/*/bin/java}"/*/bin/java; do
    [ -x "$j" ] || continue
    v=$("$j" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -1)
    [ "${v:-0}" -gt $bv ] && [ "$v" -le $2 ] && { best=$j; bv=$v; }
  done
  echo "$best"
}
wait_port() { # name port seconds
  local i; for ((i = 0; i < $3 * 20; i++)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return 0
    kill -0 "${PID[$1]}" 2>/dev/null || { echo "peer $1 died:" >&2; tail -5 "$RUN/$1.log" >&2; return 1; }
    sleep 0.05; done
  echo "peer $1 did not open its port" >&2; return 1
}
launch() { # name port seconds command...
  local n=$1 p=$2 s=$3; shift 3
  (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null && { echo "port $p is taken; $n not started" >&2; return 1; }
  nice -n "${NICE:-0}" "$@" >"$RUN/$n.log" 2>&1 & PID[$n]=$!; PORT[$n]=$p; wait_port "$n" "$p" "$s"
}
installed() { # lane name: can it be started here?  If not, says so in one line
  local want
  case $1 in
    nats|js|js3?) want=nats-server ;; redis|xadd-*) want=redis-server ;; mosquitto) want=mosquitto ;;
    netty*) [ -f "$HERE/peers/java/nettyrelay/target/peer.jar" ] && return 0; echo "# $1 left out: not built (README.md)" >&2; return 1 ;;
    hermod*) local launcher lane_env lane_args; lane_fields "$1"; want=$launcher ;; *) return 0 ;;
  esac
  command -v "$want" >/dev/null && return 0
  echo "# $1 left out: ${want##*/} is not installed" >&2; return 1
}
# A lane of Hermod is "hermod", or one that HERMOD_LANES tells of, a line each: NAME|FIELD|FIELD ... where NAME starts with hermod and a
# FIELD is VARIABLE=VALUE for the launcher (JAVA_HOME, HERMOD_JAVA_OPTS, HERMOD_HEAP ...), HERMOD=/another/launcher, SHARDS=N, or arguments of serve.
while IFS= read -r line; do [ -n "$line" ] && LANE[${line%%|*}]=$line; done <<<"${HERMOD_LANES:-}"
lane_fields() { # lane: sets launcher, lane_env and lane_args
  local f w fields; launcher=$HERMOD lane_env=() lane_args=()
  [ -n "${HERMOD_JAVA_HOME:-}" ] && lane_env+=("JAVA_HOME=$HERMOD_JAVA_HOME")
  IFS='|' read -ra fields <<<"${LANE[$1]:-$1}"
  for f in "${fields[@]:1}"; do case $f in
    HERMOD=*) launcher=${f#*=} ;;
    SHARDS=*) printf 'shard:\n  shard-count: %d\n' "${f#*=}" >"$RUN/$1.yaml"; lane_args+=(--config "$RUN/$1.yaml") ;;
    [A-Z]*=*) lane_env+=("$f") ;;
    *) read -ra w <<<"$f"; lane_args+=("${w[@]}") ;;
  esac; done
}
hermod() { local n=$1 launcher lane_env lane_args; shift; lane_fields "$n"; env "${lane_env[@]}" HERMOD_JAVA_OPTS= "$launcher" "$@"; } # a command, without the broker's flags
start_hermod() { # lane data-directory: on free ports
  local i ready launcher lane_env lane_args; lane_fields "$1"
  hermod "$1" --version >/dev/null || return 1 # builds what is missing, so that the wait below is for the broker only
  : >"$RUN/$1.log"
  # env and the launcher exec: the pid is the JVM's
  nice -n "${NICE:-0}" env "${lane_env[@]}" "$launcher" serve --port 0 --ws-port 0 --admin-port 0 --data "$2" "${lane_args[@]}" >"$RUN/$1.log" 2>"$RUN/$1.err" &
  PID[$1]=$!
  for ((i = 0; i < 600; i++)); do
    grep -q '^ready ' "$RUN/$1.log" && break
    kill -0 "${PID[$1]}" 2>/dev/null || { echo "peer $1 died:" >&2; tail -5 "$RUN/$1.log" "$RUN/$1.err" >&2; unset "PID[$1]"; return 1; }
    sleep 0.05; done
  ready=$(grep '^ready ' "$RUN/$1.log") || { echo "peer $1 did not get ready" >&2; return 1; }
  PORT[$1]=$(sed 's/.* tcp=[^ ]*:\([0-9]*\).*/\1/' <<<"$ready"); ADMIN[$1]=$(sed 's/.* admin=\([^ ]*\).*/\1/' <<<"$ready")
  TOKEN[$1]=$(hermod "$1" token --data "$2" --user bench --org bench --right 'pub:*' --right 'sub:*' --right limits:service --right rate:unlimited) ||
    { echo "no token from $1" >&2; return 1; }
}
java_of() { # java-program: the version that it is
  local r=${1%/bin/java}/release; [ -r "$r" ] && sed -n 's/^IMPLEMENTOR="\(.*\)"/\1/p; s/^JAVA_VERSION="\(.*\)"/JDK \1/p' "$r" | tr '\n' ' ' || "$1" -version 2>&1 | head -1
}
version_of() { # lane that runs: what it is, in one line
  case $1 in
    relay*) "${CC:-cc}" --version 2>/dev/null | head -1 ;;
    nats|js*) nats-server --version ;;
    redis|xadd-*) redis-server --version | sed 's/ sha=.*//' ;;
    mosquitto) mosquitto -h | head -1 ;;
    netty*) echo "Netty $(sed -n 's:.*<netty.version>\(.*\)</netty.version>.*:\1:p' "$HERE/peers/java/nettyrelay/pom.xml"), $(java_of "$JAVA")" ;;
    hermod*) local launcher lane_env lane_args; lane_fields "$1"
      echo "$(hermod "$1" --version 2>/dev/null | head -1), commit $(git -C "$(dirname "$(readlink -f "$launcher")")" describe --always --dirty --abbrev=12 2>/dev/null || echo unknown), $(
        java_of "$(readlink -f "/proc/${PID[$1]}/exe")"), flags $(tr '\0' '\n' <"/proc/${PID[$1]}/cmdline" | sed -n '/^-[XD]/p' | sed "s:=/[^ ]*:=…:" | tr '\n' ' ')${LANE[$1]:+, lane $(sed 's:=/[^|]*:=…:g' <<<"${LANE[$1]}")}" ;;
  esac
}
start_peer() {
  local n=$1 d="$RUN/$1"; mkdir -p "$d"
  case $n in
    relay) PROTO[$n]=relay; launch $n 7001 5 "$HERE/relay" 7001 ;;
    relay-spin) PROTO[$n]=relay; launch $n 7009 5 "$HERE/relay" 7009 -b ;;
    nats) PROTO[$n]=nats
      printf 'listen: 127.0.0.1:7002\nwrite_deadline: "10s"\nmax_pending: 256MB\n' >"$d/c.conf"
      launch $n 7002 10 nats-server -c "$d/c.conf" ;;
    redis) PROTO[$n]=resp
      printf 'bind 127.0.0.1\nport 7003\nprotected-mode no\nsave ""\nappendonly no\nmaxclients 60000\ndir %s\nclient-output-buffer-limit pubsub 0 0 0\n' "$d" >"$d/c.conf"
      launch $n 7003 10 redis-server "$d/c.conf" ;;
    mosquitto) PROTO[$n]=mqtt; chmod 755 "$RUN" "$d"
      printf 'listener 7004 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\nmax_inflight_messages 0\nmax_queued_messages 0\nlog_type error\n' >"$d/c.conf"
      launch $n 7004 10 mosquitto -c "$d/c.conf" ;;
    netty|netty-naive|netty-spin) PROTO[$n]=relay; local m=${n#netty-} p=7016; case $n in netty) m=coalesce ;; netty-naive) p=7017 ;; netty-spin) p=7018 ;; esac
      launch $n $p 20 "$JAVA" -Xms512m -Xmx2g -XX:+UseSerialGC --enable-native-access=ALL-UNNAMED $JAVA_UNSAFE \
        -cp "$HERE/peers/java/nettyrelay/target/peer.jar:$HERE/peers/java/nettyrelay/target/lib/*" NettyRelay $p $m ;;
    hermod*) PROTO[$n]=hermod
      [ $n = hermod ] || [ -n "${LANE[$n]:-}" ] || { echo "HERMOD_LANES has no line for $n" >&2; return 1; }
      start_hermod $n "$d" ;;
    js) PROTO[$n]=js
      printf 'listen: 127.0.0.1:7012\njetstream { store_dir: "%s", max_file_store: 8GB }\n' "$d" >"$d/c.conf"
      launch $n 7012 10 nats-server -c "$d/c.conf" ;;
    js3a|js3b|js3c) PROTO[$n]=js; local i; case $n in *a) i=1;; *b) i=2;; *) i=3;; esac
      printf 'listen: 127.0.0.1:702%d\nserver_name: n%d\njetstream { store_dir: "%s", max_file_store: 8GB }\ncluster { name: c, listen: 127.0.0.1:703%d, routes: [nats://127.0.0.1:7031, nats://127.0.0.1:7032, nats://127.0.0.1:7033] }\n' $i $i "$d" $i >"$d/c.conf"
      launch $n 702$i 10 nats-server -c "$d/c.conf" ;;
    xadd-no|xadd-everysec|xadd-always) PROTO[$n]=xadd; local p=7013 f=${n#xadd-}; [ $f = always ] && p=7014; [ $f = no ] && p=7015
      printf 'bind 127.0.0.1\nport %d\nsave ""\nappendonly yes\nappendfsync %s\nauto-aof-rewrite-percentage 0\ndir %s\n' $p $f "$d" >"$d/c.conf"
      launch $n $p 10 redis-server "$d/c.conf" ;;
    *) echo "unknown peer $n" >&2; return 1 ;;
  esac
}
freeze() { kill -STOP "${PID[$1]}" 2>/dev/null; }   # idle peers are stopped so that they cost the measured one nothing
thaw() { kill -CONT "${PID[$1]}" 2>/dev/null; sleep 0.05; }
stop_all() {
  local n; for n in "${!PID[@]}"; do kill -CONT "${PID[$n]}" 2>/dev/null; kill "${PID[$n]}" 2>/dev/null; done
  sleep 0.5; for n in "${!PID[@]}"; do kill -9 "${PID[$n]}" 2>/dev/null; wait "${PID[$n]}" 2>/dev/null; done
  rm -rf "$RUN"
}
trap stop_all EXIT
trap 'exit 130' INT TERM
JAVA=$(find_java 17 99)      # for the Netty relay
case $(java_of "$JAVA") in *"JDK 17"*|*"JDK 18"*|*"JDK 19"*|*"JDK 2"[0-3]*) JAVA_UNSAFE= ;; *) JAVA_UNSAFE=--sun-misc-unsafe-memory-access=allow ;; esac
