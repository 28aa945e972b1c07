"""Tables, ratios, and a description of the machine."""

import os
import platform
import subprocess
from datetime import date
from importlib.metadata import version
from statistics import median

HEADS = ("contestant", "threads", "batch", "images/s", "least to most")


def figure(number):
    return f"{number:.2f}" if number < 10 else f"{number:.1f}" if number < 100 else f"{number:.0f}"


def table(rows, markdown):
    """Formats a table. All columns except the first are numeric."""
    rows = [HEADS, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    lines = [[row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))] for row in rows]
    if not markdown:
        return ["  ".join(line) for line in lines]
    lines = [f"| {' | '.join(line)} |" for line in lines]
    return [lines[0], "|" + "|".join(["---", *["---:"] * (len(HEADS) - 1)]) + "|", *lines[1:]]


def lines(results, markdown):
    """Table and ratios of one model. `results` maps (contestant, threads, batch) to the speeds of all rounds."""
    rows = [
        (name, str(threads), str(batch), figure(median(speeds)), f"{figure(min(speeds))} to {figure(max(speeds))}")
        for (name, threads, batch), speeds in results.items()
    ]
    out, bullet = [*table(rows, markdown), ""], "- " if markdown else ""
    speeds = {key: median(turns) for key, turns in results.items()}

    def ratio(ours, key):
        name, threads, batch = ours
        of, peer = (f"{count} thread{'' if count == 1 else 's'}" for count in (threads, key[1]))
        times = figure(speeds[ours] / speeds[key])
        out.append(f"{bullet}Batch of {batch}: {name}, {of}, is {times} times as fast as {key[0]}, {peer}.")

    peers = [key for key in speeds if not key[0].startswith("pixelrnn")]
    for key in (key for key in peers if key[2] == 1):
        ratio(("pixelrnn, packed", 1, 1), key)
    best = max((key for key in peers if key[2] > 1), key=speeds.get)
    for threads in sorted({1, os.cpu_count()}):
        ratio(("pixelrnn, packed", threads, 64), best)
    return out


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def machine():
    """Describes machine, date and versions."""
    cpu = dict(line.split(":", 1) for line in output("lscpu").splitlines() if ":" in line)
    flags = cpu.get("Flags", "").split()
    has = ", ".join(f"{flag} {'yes' if flag in flags else 'no'}" for flag in ("avx2", "avx512f", "avx512_vnni"))
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "onnx", "onnxruntime", "jax", "jaxlib"))
    return [
        f"Machine: {cpu.get('Model name', platform.processor()).strip()}, {os.cpu_count()} cores; {has}.",
        f"Date: {date.today()}; load of the machine before the run (1, 5 and 15 minutes): "
        + ", ".join(f"{load:.2f}" for load in os.getloadavg())
        + ".",
        f"Versions: {output('rustc', '--version').split(' (')[0]}, Python {platform.python_version()}, {packages}.",
    ]
