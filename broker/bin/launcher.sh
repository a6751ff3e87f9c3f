# What bin/hermod and bin/hermod-bench share: find a JVM, build on first use, choose flags. Sourced, never run.
#
# The caller sets, before it calls anything here:
#   name    what to call ourselves in messages
#   root    the top of the source tree (empty in an installed distribution, where nothing is built)

fail() {
    echo "$name: $*" >&2
    exit 1
}

# The file behind a path, links followed; works where readlink has no -f.
real_path() {
    local path=$1 link
    while [ -L "$path" ]; do
        link=$(readlink "$path")
        case $link in
            /*) path=$link ;;
            *) path=$(dirname "$path")/$link ;;
        esac
    done
    (cd "$(dirname "$path")" && echo "$PWD/$(basename "$path")")
}

# Sets java, java_version (17.0.15), java_major (17) and java_vendor. Reads the JDK's "release" file, because asking the
# JVM itself costs a start of it on every command.
find_java() {
    local key value
    if [ -n "${JAVA_HOME:-}" ]; then
        java=$JAVA_HOME/bin/java
        [ -x "$java" ] || fail "JAVA_HOME is $JAVA_HOME, which has no bin/java; point it at a JDK 17 or newer."
    else
        java=$(command -v java) || fail "no java found; install a JDK 17 or newer, or set JAVA_HOME."
        java=$(real_path "$java")
    fi

    java_version= java_vendor=unknown
    if [ -r "${java%/bin/java}/release" ]; then
        while IFS='=' read -r key value; do
            value=${value//[\"$'\r']/}
            case $key in
                JAVA_VERSION) java_version=$value ;;
                IMPLEMENTOR) java_vendor=${value//[^A-Za-z0-9]/} ;;
            esac
        done < "${java%/bin/java}/release"
    fi
    [ -n "$java_version" ] || java_version=$("$java" -version 2>&1 | sed -n 's/.* version "\([^"]*\)".*/\1/p' | head -n 1)

    java_major=${java_version%%[!0-9]*}
    [ "${java_major:-0}" -ge 17 ] || fail "needs Java 17 or newer, but $java is ${java_version:-of unknown version}."
}

# True when the jar ($1) is missing, has lost its libraries, or is older than a source of the modules ($2...).
is_stale() {
    local jar=$1 module places=()
    shift
    [ -f "$jar" ] && [ -d "${jar%/*}/lib" ] || return 0
    for module in "$@"; do
        [ -d "$root/$module/src/main" ] && places+=("$root/$module/src/main")
        places+=("$root/$module/pom.xml")
    done
    [ -n "$(find "$root/pom.xml" "${places[@]}" -newer "$jar" -print -quit 2>/dev/null)" ]
}

# Builds module $1 when its jar ($2) is stale against the modules in $3...; of several starts at once, one builds.
build_if_stale() {
    local module=$1 jar=$2 target=$root/$1/target lock
    shift 2
    is_stale "$jar" "$@" || return 0
    command -v mvn > /dev/null || fail "is not built yet and there is no mvn to build it with; install Maven 3.8.7 or newer."
    mkdir -p "$target" "$root/broker/target" || fail "cannot write to $target."
    # One lock for every launcher, because they build the same modules. It goes with this subshell.
    (
        if command -v flock > /dev/null; then
            exec 9> "$root/broker/target/.build-lock"
            flock 9
            is_stale "$jar" "$@" || exit 0 # another start built it while this one waited
        fi
        echo "$name: building (first use), about a minute ..." >&2
        # A library that changed its version must not stay on the class path beside the new one.
        [ -z "$(find "$root/pom.xml" "$root/$module/pom.xml" -newer "$jar" -print -quit 2>/dev/null)" ] || rm -rf "$target/lib"
        touch "$target/.build-started"
        if ! (cd "$root" && mvn -q -B -Dmaven.test.skip=true -Dspotless.check.skip=true -pl "$module" -am package) \
            < /dev/null > "$target/build.log" 2>&1 9>&-; then
            tail -n 30 "$target/build.log" >&2
            fail "the build failed; all of it is in $target/build.log."
        fi
        # Dated back to the start, so an edit made during the build is seen next time; Maven leaves the jar untouched
        # when nothing in it changed.
        touch -r "$target/.build-started" "$jar"
    ) || exit 1
}

# Appends to jvm_flags what every Hermod process gets.
add_common_flags() {
    jvm_flags+=(
        --add-opens java.base/jdk.internal.misc=ALL-UNNAMED # Agrona's buffers
        --enable-native-access=ALL-UNNAMED                  # epoll, LZ4
        -XX:+ExitOnOutOfMemoryError                         # a half-dead process helps nobody
    )
    # Protobuf and Netty still use sun.misc.Unsafe, of which newer JVMs warn; older ones do not know the flag.
    [ "$java_major" -lt 24 ] || jvm_flags+=(--sun-misc-unsafe-memory-access=allow)
}

# Appends the flags of a process that lives long and is measured in microseconds: a collector that runs beside the
# program, pooled buffers, no leak sampling. $1: a folder for remembering what the JVM accepts; it need not be writable.
add_server_flags() {
    local remembered=$1/jvm-$java_version-$java_vendor.flags collector
    jvm_flags+=(-Dio.netty.allocator.type=pooled -Dio.netty.leakDetection.level=disabled)
    case " ${HERMOD_JAVA_OPTS:-} " in
        *" -XX:+Use"*GC" "*) return 0 ;; # the user chose, and two collectors at once are refused
    esac
    if [ "$java_major" -ge 25 ]; then
        jvm_flags+=(-XX:+UseZGC -XX:+UseCompactObjectHeaders)
        return 0
    fi
    # Some vendors build 17 without Shenandoah. Asking costs a JVM start, so the answer is kept.
    if ! { read -r collector < "$remembered"; } 2> /dev/null; then
        if "$java" -XX:+UseShenandoahGC -version > /dev/null 2>&1; then
            collector=-XX:+UseShenandoahGC
        else
            collector="-XX:+UseG1GC -XX:MaxGCPauseMillis=20"
        fi
        { mkdir -p "$1" && echo "$collector" > "$remembered.$$" && mv "$remembered.$$" "$remembered"; } 2> /dev/null || true
    fi
    # Compact: what connecting leaves behind is collected early, so that it does not stay resident. Events leave nothing behind.
    [ "$collector" != -XX:+UseShenandoahGC ] || collector="$collector -XX:ShenandoahGCHeuristics=compact"
    # shellcheck disable=SC2206 # one line of flags, split on purpose
    jvm_flags+=($collector)
}

# The broker's class cache in folder $1 for this JDK: classes as the JVM has them after loading (class-data sharing; from
# Java 25 on with profiles). The JVM checks that it fits JDK, collector and class path, and does without it where it does
# not.
cache_file() {
    local suffix=jsa
    [ "$java_major" -lt 25 ] || suffix=aot
    echo "$1/cache-$java_version-$java_vendor.$suffix"
}

# True when there is one that is newer than the jar ($2); an empty one stands for a JVM that could not make it.
has_cache() {
    [ "$(cache_file "$1")" -nt "$2" ]
}

# Makes the cache in folder $1: with jvm_flags and class path $2, runs the program that is the rest of the arguments. False
# where that fails or the folder can't be written.
make_cache() {
    local folder=$1 class_path=$2 file made
    shift 2
    file=$(cache_file "$folder")
    [ -w "$folder" ] || return 1
    (
        if command -v flock > /dev/null; then
            exec 9> "$folder/.cache-lock"
            flock 9
        fi
        echo "$name: preparing fast starts with Java $java_version, a few seconds ..." >&2
        made=$file.$$
        if [ "$java_major" -lt 25 ]; then
            jvm_flags+=(-XX:ArchiveClassesAtExit="$made")
        else
            jvm_flags+=(-XX:AOTCacheOutput="$made")
        fi
        "$java" "${jvm_flags[@]}" -cp "$class_path" "$@" < /dev/null > "$folder/cache.log" 2>&1 9>&-
        if [ -s "$made" ]; then
            mv -f "$made" "$file"
        else
            rm -f "$made"
            : > "$file" # not tried again on every start
            exit 1
        fi
    )
}

# Appends to jvm_flags what makes the JVM use the cache in folder $1, where there is one newer than the jar ($2).
add_cache_flags() {
    local file
    file=$(cache_file "$1")
    [ -s "$file" ] && [ "$file" -nt "$2" ] || return 0
    # One that does not fit is passed over without a word: standard output belongs to the program.
    if [ "$java_major" -lt 25 ]; then
        jvm_flags+=(-XX:SharedArchiveFile="$file" -Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off -Xlog:class+path=off)
    else
        jvm_flags+=(-XX:AOTCache="$file" -XX:AOTMode=auto -Xlog:aot=off -Xlog:cds=off -Xlog:class+path=off)
    fi
}

remove_caches() {
    rm -f "$1"/cache-*.jsa "$1"/cache-*.aot "$1/cache.log" "$1/.cache-lock"
}
