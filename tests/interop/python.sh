#!/bin/bash
# python.sh FOLDER: makes the Python environment FOLDER with the packages of requirements.txt. Exit status 77: they cannot
# be had; 78: all are there but torch.
#
# On x86-64, torch from the Python registry is built for CUDA and loads CUDA's libraries when it is imported, 2 GB of them.
# The checks compute on the CPU: the two small libraries that CUDA is asked through whether there is a device are
# installed, and stand-ins whose functions fail take the place of the others.
set -euo pipefail
folder=$1
here=$(dirname "$(realpath "$0")")
large='^(torch|nvidia-)'

install() { timeout 500 "$folder/bin/pip" -q install --only-binary :all: --no-deps --no-cache-dir -r "$1"; }

# stand_ins LIB: the libraries of CUDA that those in LIB need and nobody has, with all the functions that are asked for.
stand_ins() {
    local lib=$1 name version
    # An error of CUDA's: there is no device.
    nm -D --undefined-only "$lib"/*.so | sed -nE 's/^ +[Uw] ((cu|nccl|nv)\w*)(@.*)?$/int \1(void) { return 100; }/p' |
        sort -u >"$folder/none.c"
    for name in $(readelf -d "$lib"/*.so | grep -oE 'lib(cu|nccl|nv)[^]]*' | sort -u); do
        # The driver's, which a machine without it lacks.
        [[ $name == libcuda.so* ]] && continue
        if compgen -G "$lib/../../nvidia/*/lib/$name" >/dev/null; then continue; fi
        version=$name
        [[ $name == libnvshmem* ]] && version=NVSHMEM
        echo "$version { global: *; };" >"$folder/none.map"
        cc -w -shared -nostdlib "$folder/none.c" -o "$lib/$name" -Wl,-soname,"$name",--version-script="$folder/none.map"
    done
}

python3 -m venv "$folder" || exit 77
grep -vE "$large" "$here/requirements.txt" >"$folder/small.txt"
grep -E "$large" "$here/requirements.txt" >"$folder/large.txt"
install "$folder/small.txt" || exit 77
install "$folder/large.txt" || exit 78
stand_ins "$(echo "$folder"/lib/python3*/site-packages/torch/lib)"
"$folder/bin/python" -c 'import torch'
