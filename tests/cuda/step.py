"""The tables of a training step, from what the stand-in for the driver wrote: step.py WHAT TABLE [--write] ARGUMENTS…

    step.py budget TABLE FOLDER…           launches and bytes of the last step, for each FOLDER: its name, and `log` in it
    step.py ptxas TABLE TOOLS ARCH=FOLDER… what ptxas makes of the modules *.ptx in a FOLDER for ARCH

A table is kept in the repository. Exit status 1: something has grown, or has become smaller and the table is to be written
anew, with --write. What may never be there (spills of our own kernels) fails in both cases.
"""

import collections
import concurrent.futures
import hashlib
import os
import pathlib
import re
import subprocess
import sys

LAUNCH = re.compile(r"cuda: launch \d+ of (?:(\d+)\.ptx )?(\S+): (?:.*?, (\d+) bytes shared, )?")
TRAFFIC = re.compile(r"cuda: launch \d+ reads (\d+) and writes (\d+) bytes, of (\d+) and (\d+) asked for")

# A call of cuBLASLt is a launch, though of kernels that are not seen.
LIBRARY = "cublasLtMatmul"
# cubek's kernels are not ours to mend, and their code differs between runs: what they take is in the table, but not compared.
PRODUCT = "matmul_entry_"
# These multiply matrices on tensor cores.
TENSOR = (PRODUCT, "plane_")
# These read in vectors of 16 bytes.
WIDE = (PRODUCT, "plane_", "token_loss_")


def step(folder):
    """Lines of the last step: those after the last but one update."""
    lines = (folder / "log").read_text().splitlines()
    ends = [i for i, line in enumerate(lines) if re.search(r"\.ptx adam_kernel", line)]
    # What an update reads and writes is told after it.
    return lines[ends[-2] + 2 : ends[-1] + 2]


def budget(*folders):
    """A row for each kernel: launches, and megabytes that are read, written, and asked for in instructions."""
    rows = {}
    for folder in map(pathlib.Path, folders):
        lines, kernels = step(folder), collections.defaultdict(lambda: [0] * 4)
        for line in lines:
            if found := LAUNCH.match(line):
                kernel = kernels["products" if found[2].startswith((LIBRARY, PRODUCT)) else found[2]]
                kernel[0] += 1
            elif found := TRAFFIC.match(line):
                read, written, *asked = map(int, found.groups())
                for i, bytes in enumerate([read, written, sum(asked)], 1):
                    kernel[i] += bytes
        kernels["all kernels"] = [sum(column) for column in zip(*kernels.values())]
        modules = len(list(folder.glob("*.ptx")))
        counts = {
            "uploads": sum(" bytes uploaded" in line for line in lines),
            "uploads not pinned": sum(line.endswith("uploaded from memory that is not pinned") for line in lines),
            # Several transfers that follow each other are one wait.
            "blocking reads": len(re.findall(r"(?:^cuda: \d+ bytes read back\n)+", "\n".join(lines), re.M)),
            "modules compiled": modules,
        }
        for name, (launches, *moved) in sorted(kernels.items()):
            rows[folder.name, name] = [launches, *(round(bytes / 1e6) for bytes in moved)]
        for name, count in counts.items():
            rows[folder.name, name] = [count, 0, 0, 0]
    return ["shape", "kernel"], ["launches", "MB read", "MB written", "MB asked for"], rows, []


def compiled(tools, arch, module):
    """A module's kernel and its row."""
    cubin = module.with_suffix(".cubin")
    run = lambda *command: subprocess.run(command, check=True, capture_output=True, text=True)
    said = run(tools["ptxas"], "-v", f"-arch={arch}", module, "-o", cubin).stderr
    number = lambda pattern: int((re.search(pattern, said) or [0, 0])[1])
    code = run(tools["nvdisasm"], "-c", cubin).stdout
    cubin.unlink()
    row = [
        number(r"Used (\d+) registers"),
        number(r"(\d+) bytes smem"),
        number(r"(\d+) bytes stack frame"),
        number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads"),
        len(re.findall(r"\bH[G]?MMA\b", code)),
        len(re.findall(r"\bLDG\.\S*128\b", code)),
    ]
    return re.search(r"entry function '(\S+)'", said)[1], row


def ptxas(folder, *places):
    """A row for each kernel: the most registers and memory of its variants, and the fewest instructions of a kind."""
    tools = {tool: next(pathlib.Path(folder).glob(f"**/bin/{tool}")) for tool in ("ptxas", "nvdisasm")}
    jobs, wrong = {}, []
    for arch, folder in (place.split("=", 1) for place in places):
        folder = pathlib.Path(folder)
        dynamic = collections.defaultdict(int)
        for line in (folder / "log").read_text().splitlines():
            if (found := LAUNCH.match(line)) and found[1]:
                dynamic[found[1]] = max(dynamic[found[1]], int(found[3]))
        for module in sorted(folder.glob("*.ptx")):
            # Several shapes compile the same modules.
            text = hashlib.sha256(module.read_bytes()).digest()
            jobs.setdefault((arch, text, dynamic[module.stem]), module)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda job: compiled(tools, job[0][0], job[1]), jobs.items()))
    variants = collections.defaultdict(set)
    for (arch, _, shared), (name, row) in zip(jobs, found):
        row[1] += shared
        variants[arch, name].add(tuple(row))
    rows = {}
    for (arch, name), several in sorted(variants.items()):
        where, columns = f"{name} for {arch}", list(zip(*several))
        row = rows[arch, name] = [*map(max, columns[:4]), *map(min, columns[4:])]
        if (row[2] or row[3]) and not name.startswith(PRODUCT):
            wrong.append(f"{where} spills {row[3]} bytes to a stack frame of {row[2]}")
        if name.startswith(TENSOR) and not row[4]:
            wrong.append(f"{where} uses no tensor core")
        if name.startswith(WIDE) and not row[5]:
            wrong.append(f"{where} loads no 16 bytes at once")
    columns = ["registers", "shared bytes", "stack bytes", "spilled bytes", "HMMA", "LDG.128"]
    return ["arch", "kernel"], columns, rows, wrong


def table(keys, columns, rows):
    lines = [keys + columns, *([*key, *row] for key, row in rows.items())]
    return "".join("\t".join(map(str, line)) + "\n" for line in lines)


def differences(keys, columns, rows, kept):
    """What differs from the kept table, growth first."""
    lines = [line.split("\t") for line in kept.splitlines()[1:]]
    before = {tuple(line[: len(keys)]): list(map(int, line[len(keys) :])) for line in lines}
    rows = {tuple(map(str, key)): row for key, row in rows.items()}
    grown, fallen = [], []
    for key in [*rows, *(key for key in before if key not in rows)]:
        if key[1].startswith(PRODUCT):
            continue
        old, new = (of.get(key, [0] * len(columns)) for of in (before, rows))
        for column, was, now in zip(columns, old, new):
            # How many there are says how far a loop is unrolled. That there are none is told apart.
            if was != now and column not in ("HMMA", "LDG.128"):
                text = f"{' '.join(key)}: {column} {was} -> {now}"
                (grown if now > was else fallen).append(text)
    return grown, fallen


def main(what, path, *arguments):
    write = "--write" in arguments
    arguments = [argument for argument in arguments if argument != "--write"]
    keys, columns, rows, wrong = {"budget": budget, "ptxas": ptxas}[what](*arguments)
    path = pathlib.Path(path)
    kept = path.read_text() if path.exists() else ""
    grown, fallen = differences(keys, columns, rows, kept)
    for heading, lines in (("wrong", wrong), ("more than in the table", grown), ("less than in the table", fallen)):
        for line in lines:
            print(f"{heading}: {line}")
    if write:
        path.with_suffix(".part").write_text(table(keys, columns, rows))
        path.with_suffix(".part").replace(path)
    elif grown or fallen:
        print(f"{path.name}: tests/cuda/run.sh {what} --write writes it anew")
    return 1 if wrong or not write and (grown or fallen) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
