# What the launchers of broker and bench share; sourced by them. Needs bash, find and Maven; flock where there is one.
#
#   launcher_root    the repository's root, set by the caller
#   launcher_name    how messages begin, set by the caller

die() {
    echo "$launcher_name: $1" >&2
    exit 1
}

# Sets java (the program), java_home and java_major, and refuses what is too old. Reads the JDK's own release file, because starting a
# JVM to ask its version would take longer than a whole command may.
find_java() {
    if [ -n "${JAVA_HOME:-}" ]; then
        java="$JAVA_HOME/bin/java"
        [ -x "$java" ] || die "JAVA_HOME is $JAVA_HOME, but there is no bin/java in it."
    else
        java=$(command -v java) || die "Java 17 or newer is needed, and there is no java in PATH and no JAVA_HOME."
    fi
    local real version='' line
    real=$(readlink -f "$java")
    java_home=${real%/bin/java}
    if [ -r "$java_home/release" ]; then
        while IFS= read -r line; do
            case $line in JAVA_VERSION=*) version=${line#*=\"} version=${version%\"*} ;; esac
        done <"$java_home/release"
    fi
    if [ -z "$version" ]; then
        version=$("$java" -version 2>&1 | sed -n '1s/.*"\(.*\)".*/\1/p')
    fi
    java_major=${version%%[!0-9]*}
    [ "${java_major:-0}" -ge 17 ] || die "Java 17 or newer is needed, but $java is ${version:-of an unknown version}."
}

# is_stale JAR STAMP PATH…: is the jar missing, or is one of the paths newer than both the jar and the last good build?
# (Maven leaves a jar alone whose classes did not change, so the jar's own time is not enough.)
is_stale() {
    local jar=$1 stamp=$2
    shift 2
    [ -f "$jar" ] || return 0
    local newer=(-newer "$jar")
    [ -f "$stamp" ] && newer+=(-newer "$stamp")
    [ -n "$(find "$@" -type f "${newer[@]}" -print -quit 2>/dev/null)" ]
}

# build_if_stale MODULE JAR PATH…: builds a module and what it needs, quietly, once, however many start at the same time.
build_if_stale() {
    local module=$1 jar=$2
    shift 2
    local target="$launcher_root/$module/target"
    local stamp="$target/launcher.stamp"
    is_stale "$jar" "$stamp" "$@" || return 0
    command -v mvn >/dev/null || die "$module has to be built first, and there is no mvn in PATH."
    mkdir -p "$target" "$launcher_root/target" || die "can't write to $target."
    # One lock for all modules: building the bench builds the broker too.
    exec 9>"$launcher_root/target/launcher.lock"
    if command -v flock >/dev/null; then
        flock -n 9 || { echo "$launcher_name: waiting for another build…" >&2; flock 9; }
    fi
    if is_stale "$jar" "$stamp" "$@"; then
        echo "$launcher_name: building $module (once; about half a minute)…" >&2
        # The stamp gets the time the build began, so that what is edited meanwhile counts as newer.
        : >"$target/launcher.began"
        if ! (cd "$launcher_root" && mvn -q -B -DskipTests -Dspotless.check.skip=true -pl "$module" -am package) \
                >"$target/build.log" 2>&1 9>&- </dev/null; then
            tail -n 30 "$target/build.log" >&2
            die "building $module failed; the whole log is $target/build.log."
        fi
        mv -f "$target/launcher.began" "$stamp"
    fi
    exec 9>&-
}

# Flags that every process of ours needs.
#   jdk.internal.misc    Agrona's buffers use the JDK's own Unsafe
#   native access        Netty's native transport
#   serialFilter         nothing of ours is ever deserialised by Java's own means
common_flags() {
    flags=(
        --add-opens java.base/jdk.internal.misc=ALL-UNNAMED
        --enable-native-access=ALL-UNNAMED
        '-Djdk.serialFilter=!*'
        -XX:+ExitOnOutOfMemoryError
    )
    if [ "$java_major" -ge 24 ]; then
        flags+=(--sun-misc-unsafe-memory-access=allow)
    fi
}

# gc_flags DIRECTORY: a collector that runs beside the program rather than stopping it. Whether this JVM has Shenandoah is asked once and
# kept in the directory.
gc_flags() {
    if [ "$java_major" -ge 25 ]; then
        flags+=(-XX:+UseZGC -XX:+UseCompactObjectHeaders)
        return
    fi
    local answer="$1/gc-${java_home//[^A-Za-z0-9.]/_}" gc=''
    [ -r "$answer" ] && [ "$answer" -nt "$java_home/lib/modules" ] && IFS= read -r gc <"$answer"
    if [ -z "$gc" ]; then
        gc=g1
        "$java" -XX:+UseShenandoahGC -version >/dev/null 2>&1 && gc=shenandoah
        { mkdir -p "$1" && echo "$gc" >"$answer"; } 2>/dev/null || true
    fi
    if [ "$gc" = shenandoah ]; then
        flags+=(-XX:+UseShenandoahGC)
    else
        flags+=(-XX:+UseG1GC -XX:MaxGCPauseMillis=20)
    fi
}
