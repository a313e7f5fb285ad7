#!/usr/bin/env python3
"""Plays a VHS tape in a real kitty under Xvfb and films it: tests/demo/record.py [TAPE]. Run it in the project's top folder.

Knows the words of VHS that demo.tape uses: Output, Set Width/Height/FontSize/Framerate, Hide, Show, Type, Sleep, key names,
Ctrl+KEY, KEY@TIME COUNT (a key repeated at that pace is held down for as long: kitty reports its release).
Debian packages: xvfb xdotool openbox ffmpeg kitty libgl1-mesa-dri fonts-dejavu-core. Build the release binary first.
"""
import os
import re
import shlex
import subprocess as sp
import sys
import tempfile
import time

TAPE = sys.argv[1] if len(sys.argv) > 1 else "demo.tape"
KEYS = {"Enter": "Return", "Tab": "Tab", "Escape": "Escape", "Space": "space", "Up": "Up", "Down": "Down", "Backspace": "BackSpace"}


def seconds(text):
    return float(text[:-2]) / 1000 if text.endswith("ms") else float(text.rstrip("s"))


lines = [shlex.split(line, comments=True) for line in open(TAPE)]
lines = [words for words in lines if words]
settings = {words[1]: words[2] for words in lines if words[0] == "Set"}
output = next(words[1] for words in lines if words[0] == "Output")
width, height = int(settings.get("Width", 1100)), int(settings.get("Height", 660))
rate = settings.get("Framerate", "12")

scratch = tempfile.mkdtemp(prefix="demo-")
display = next(f":{n}" for n in range(60, 99) if not os.path.exists(f"/tmp/.X11-unix/X{n}"))
path = os.path.abspath("target/release") + os.pathsep + os.environ["PATH"]
env = dict(os.environ, DISPLAY=display, PATH=path, LIBGL_ALWAYS_SOFTWARE="1", XDG_RUNTIME_DIR=scratch, HOME=scratch, LANG="C.UTF-8", LC_ALL="C.UTF-8", PS1="$ ")
quiet = dict(env=env, stdin=sp.DEVNULL, stdout=sp.DEVNULL, stderr=sp.DEVNULL)
started = []


def start(*words):
    started.append(sp.Popen(words, start_new_session=True, **quiet))


def press(verb, *keys):
    sp.run(["xdotool", verb, *keys], **quiet)


def play(words):
    verb, rest = words[0], words[1:]
    key, _, pace = verb.partition("@")
    if verb == "Type":
        press("type", "--delay", "60" if camera else "5", rest[0])
    elif verb == "Sleep":
        time.sleep(seconds(rest[0]))
    elif verb.startswith("Ctrl+"):
        press("key", "ctrl+" + verb[5:].lower())
    elif pace:
        press("keydown", KEYS[key])
        time.sleep(seconds(pace) * int(rest[0]))
        press("keyup", KEYS[key])
    elif key in KEYS:
        for _ in range(int(rest[0]) if rest else 1):
            press("key", KEYS[key])
    else:
        raise SystemExit(f"{TAPE}: not a word that this recorder knows: {' '.join(words)}")


def film():
    return sp.Popen(["ffmpeg", "-nostdin", "-y", "-loglevel", "error", "-f", "x11grab", "-draw_mouse", "0", "-framerate", rate, "-video_size",
                     f"{width}x{height}", "-i", f"{display}.0", "-c:v", "libx264rgb", "-qp", "0", "-preset", "ultrafast", f"{scratch}/film.mkv"],
                    env=env, stdin=sp.PIPE, stdout=sp.DEVNULL, stderr=sp.DEVNULL)


camera = None
try:
    start("Xvfb", display, "-screen", "0", f"{width}x{height}x24")
    time.sleep(1)
    start("openbox")
    time.sleep(0.5)
    sp.run(["xset", "r", "rate", "400", "30"], **quiet)
    start("kitty", "--config", "NONE", "--start-as=fullscreen", "-o", "update_check_interval=0", "-o", f"font_size={settings.get('FontSize', 14)}",
          "-o", "background=#101014", "-o", "foreground=#d8d8e0", "-o", "hide_window_decorations=yes", "-e", settings.get("Shell", "bash"), "--norc")
    time.sleep(2)
    for words in lines:
        if words[0] in ("Output", "Set", "Hide"):
            continue
        if words[0] == "Show":
            camera = film()
            time.sleep(0.5)
            continue
        play(words)
finally:
    if camera:
        camera.terminate()
        camera.wait()
    for process in reversed(started):
        process.terminate()
        process.wait()
if not camera:
    raise SystemExit(f"{TAPE}: nothing was filmed: it has no Show")
sp.run(["ffmpeg", "-nostdin", "-y", "-loglevel", "error", "-i", f"{scratch}/film.mkv", "-filter_complex",
        "split[a][b];[a]palettegen=max_colors=64[p];[b][p]paletteuse=dither=none:diff_mode=rectangle", output], check=True)
print(re.sub(r"^", "made ", output), os.path.getsize(output) // 1024, "KiB")
