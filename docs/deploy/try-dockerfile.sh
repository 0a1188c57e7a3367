#!/usr/bin/env bash
# Does what the Dockerfile says without a container engine: copies what it would copy into an empty
# folder, runs its build step there, starts the result as its entry point in another empty folder with
# its variables, and stops it. The packages that it installs must be there.
#
#   docs/deploy/try-dockerfile.sh            builds (several minutes)
#   PARLANCE_BINARY=… docs/deploy/try-dockerfile.sh    tries the run step with a binary that is there
#   CARGO_TARGET_DIR=…                       reuses what was built before

set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
dockerfile=$root/docs/deploy/Dockerfile
scratch=$(mktemp -d "${TMPDIR:-/tmp}/parlance-image.XXXXXX")
server=
finish() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap finish EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

binary=${PARLANCE_BINARY:-}
if [ -z "$binary" ]; then
    echo "== COPY . . (what .dockerignore leaves)"
    mkdir "$scratch/src"
    # The ignored names are those of a file name or a path, without further patterns.
    excludes=()
    while read -r line; do excludes+=("--exclude=${line#\*\*/}"); done <"$root/.dockerignore"
    tar -C "$root" "${excludes[@]}" -cf - . | tar -C "$scratch/src" -xf -
    build=$(sed -n 's/^RUN \(cargo build .*\)/\1/p' "$dockerfile")
    [ -n "$build" ] || fail "the Dockerfile has no build step"
    echo "== RUN $build"
    (cd "$scratch/src" && eval "$build")
    binary=${CARGO_TARGET_DIR:-$scratch/src/target}/release/parlance
fi

echo "== COPY --from=build, ENV, ENTRYPOINT"
mkdir "$scratch/home"
cp "$binary" "$scratch/parlance"
chmod 755 "$scratch" "$scratch/parlance"
variables=()
while read -r pair; do variables+=("$pair"); done < <(sed -n 's/^ENV //p' "$dockerfile")
# The two places that only a container has for itself.
variables+=("PARLANCE_LISTEN=127.0.0.1:0" "PARLANCE_DATA_DIR=$scratch/home/data")
as=()
if [ "$(id -u)" = 0 ]; then
    user=$(sed -n 's/^USER //p' "$dockerfile")
    chown "$user" "$scratch/home"
    as=(setpriv --reuid "$user" --regid "$user" --clear-groups)
fi
(cd "$scratch/home" && exec env -i "${variables[@]}" "${as[@]}" "$scratch/parlance" >"$scratch/out" 2>"$scratch/log") &
server=$!
url=
for _ in $(seq 200); do
    url=$(sed -n 's/^listening on //p' "$scratch/out")
    [ -n "$url" ] && break
    kill -0 "$server" 2>/dev/null || fail "it ended: $(cat "$scratch/log")"
    sleep 0.05
done
[ -n "$url" ] || fail "it does not listen"

echo "== it is ready, not as root, and its data is its own"
answer=$(curl -sS "$url/readyz")
[[ $answer == *'"ready"'* ]] || fail "/readyz: $answer"
curl -sS "$url/" | grep -q "<title>" || fail "no page"
if [ "$(id -u)" = 0 ]; then
    [ "$(stat -c %u "$scratch/home/data")" = "$user" ] || fail "the data is not the user's"
fi

echo "== STOPSIGNAL"
kill -TERM "$server"
status=0
wait "$server" || status=$?
server=
[ "$status" = 0 ] || fail "exit status $status: $(cat "$scratch/log")"
echo "passed ($(stat -c %s "$scratch/parlance") bytes)"
