"""Chooses the archive for PlatformIO's board and links it."""

import os

Import("env")  # noqa: F821, PlatformIO's

flags = env.Flatten(env.get("CCFLAGS", []))  # noqa: F821
board = env.BoardConfig()  # noqa: F821
names = [board.get("build.cpu", ""), board.get("build.mcu", "")]
if any("-mfloat-abi=hard" in str(flag) for flag in flags):
    names.insert(0, board.get("build.cpu", "") + "-hard")
here = os.path.join(os.getcwd(), "src")
found = [name for name in names if name and os.path.isfile(os.path.join(here, name, "libpixelrnn.a"))]
if not found:
    raise SystemExit("pixelrnn: no archive for the board's processor %s" % ", ".join(filter(None, names)))
env.Append(LIBPATH=[os.path.join(here, found[0])], LIBS=["pixelrnn"])  # noqa: F821
