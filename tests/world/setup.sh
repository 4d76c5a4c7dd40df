#!/usr/bin/env bash
# Makes the Python environment of the test world, once, and prints the path of its python.
#
#   tests/world/setup.sh      everything it says but that path goes to stderr
#
# It lies in `.cache/test-world-venv` under the repository root, or under MUSTER_TEST_CACHE. Its stamp
# is the hash of requirements*.txt and of the Python that made it: if either changes it is made anew.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${MUSTER_TEST_CACHE:-$here/../../.cache}
mkdir -p "$cache"
venv=$(cd "$cache" && pwd)/test-world-venv

wanted=$( (python3 --version; cat "$here"/requirements*.txt) | sha256sum | cut -d' ' -f1)

# Two runs at once must not build the same directory; the second waits and then finds it made.
exec 9>"$venv.lock"
flock 9

if [[ $(cat "$venv/stamp" 2>/dev/null) != "$wanted" ]]; then
    count=$(cat "$here"/requirements*.txt | grep -c '^[^#].*==')
    echo "test world: installs $count Python packages (requirements*.txt) into $venv" >&2
    rm -rf "$venv"
    python3 -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements-alone.txt" >&2
    # Last, so that a broken-off installation is made anew.
    echo "$wanted" >"$venv/stamp"
fi
echo "$venv/bin/python"
