# Sourced: gets what a device program needs of the machine, or says in a line what is missing.

# need_apt COMMAND PACKAGE...: the command; where it is missing, from Debian's packages.
need_apt() {
    local command=$1
    shift
    if command -v "$command" >/dev/null; then return; fi
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "$command is missing: install it (Debian: $*)" >&2
        return 1
    fi
    "$here/apt.sh" "$@"
}

# has_target TOOLCHAIN TARGET LIBRARY
has_target() { compgen -G "$1/lib/rustlib/$2/lib/lib$3-*.rlib" >/dev/null; }

# need_target TARGET [LIBRARY]: the target's core, or std. Where the toolchain lacks it and rustup cannot get it, the
# script that A2D_MK_TARGET names builds it (called as SCRIPT TOOLCHAIN TARGET, with WITH_STD=1 for std) into a copy of
# the toolchain, which then comes first in PATH. Without that script it returns 77: skipped.
need_target() {
    local target=$1 library=${2:-core} toolchain script copy
    toolchain=$(rustc --print sysroot)
    script=${A2D_MK_TARGET:-}
    copy=${A2D_TOOLCHAIN:-${XDG_CACHE_HOME:-$HOME/.cache}/a2d-toolchain}
    if has_target "$toolchain" "$target" "$library"; then return; fi
    if same_toolchain "$copy" && has_target "$copy" "$target" "$library"; then
        use_toolchain "$copy"
        return
    fi
    timeout 120 rustup target add "$target" >/dev/null 2>&1 || true
    if has_target "$toolchain" "$target" "$library"; then return; fi
    if [ ! -f "$script" ]; then
        echo "skipped: the toolchain lacks $target: rustup target add $target, or A2D_MK_TARGET=SCRIPT" \
            "(see targets.sh)" >&2
        return 77
    fi
    if ! same_toolchain "$copy"; then copy_toolchain "$toolchain" "$copy"; fi
    use_toolchain "$copy"
    local with_std=0
    if [ "$library" = std ]; then with_std=1; fi
    WITH_STD=$with_std bash "$script" "$copy" "$target"
}

# Whether a copy is of the toolchain in use.
same_toolchain() { [ -x "$1/bin/rustc" ] && [ "$("$1/bin/rustc" -vV)" = "$(rustc -vV)" ]; }

# Cargo does not see that another toolchain of the same version has another core: it gets a folder of its own.
use_toolchain() {
    export PATH="$1/bin:$PATH"
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR%-copy}-copy"
}

# Hard links where the file system allows, so that the toolchain itself stays as it is.
copy_toolchain() {
    rm -rf "$2"
    mkdir -p "$(dirname "$2")"
    cp -al "$1" "$2" 2>/dev/null || {
        rm -rf "$2" # what there is of it
        cp -a "$1" "$2"
    }
}
