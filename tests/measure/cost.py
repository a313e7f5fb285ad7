#!/usr/bin/env python3
"""What voicetui costs: processor time by thread, memory, time to the first screen, size. Linux, Python alone.

  cargo build --release && tests/measure/cost.py [SECONDS]

A call over loopback UDP between a full screen of 80x24 (synthetic voice, microphone open, speaker `null`) and a `--json` peer
that talks back; then the same screen idle. Percentages are of one core.
"""
import fcntl
import os
import pty
import shutil
import signal
import struct
import subprocess as sp
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

BINARY = os.environ.get("VOICETUI") or str(Path(__file__).resolve().parents[2] / "target/release/voicetui")
SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 20
TICK = os.sysconf("SC_CLK_TCK")
HOME = tempfile.mkdtemp(prefix="cost-")
ENV = {**os.environ, "HOME": HOME, "XDG_RUNTIME_DIR": HOME, "XDG_CONFIG_HOME": HOME, "XDG_STATE_HOME": HOME, "TERM": "xterm-256color"}


class Screen:
    """A voicetui in a pty of 80x24 whose output is read and thrown away."""

    def __init__(self, *args):
        self.started = time.monotonic()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            os.execve(BINARY, [BINARY, *args], ENV)
        self.first = self.bytes = 0
        threading.Thread(target=self.drain, daemon=True).start()

    def drain(self):
        try:
            while data := os.read(self.fd, 65536):
                self.bytes += len(data)
                if not self.first and self.bytes > 400:
                    self.first = time.monotonic() - self.started
        except OSError:
            pass

    def type(self, text):
        os.write(self.fd, text.encode())

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)


def threads(pid):
    table = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            stat = (task / "stat").read_text()
            name = stat[stat.index("(") + 1:stat.rindex(")")]
            fields = stat[stat.rindex(")") + 2:].split()
            table[name] = table.get(name, 0) + int(fields[11]) + int(fields[12])
        except (OSError, ValueError):
            pass
    return table


def watch(pid, what):
    before, start = threads(pid), time.monotonic()
    time.sleep(SECONDS)
    after, span = threads(pid), time.monotonic() - start
    use = {name: 100 * (ticks - before.get(name, 0)) / TICK / span for name, ticks in after.items()}
    rss = next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    print(f"{what}: {sum(use.values()):.2f} % of a core, {rss / 1024:.1f} MB resident")
    print("   ", ", ".join(f"{name} {value:.2f} %" for name, value in sorted(use.items(), key=lambda item: -item[1]) if value >= 0.05))


print(f"size: {os.path.getsize(BINARY) / 1e6:.1f} MB")
peer = sp.Popen([BINARY, "--json", "--bind", "127.0.0.1", "--port", "5905", "--input", "voice", "--output", "null", "--auto-answer", "all"],
                env={**ENV, "XDG_DATA_HOME": HOME + "/peer"}, stdin=sp.PIPE, stdout=sp.DEVNULL)
time.sleep(1)
screen = Screen("--bind", "127.0.0.1", "--port", "5906", "--input", "voice", "--output", "null", "--open", "127.0.0.1:5905")
time.sleep(2)
print(f"first screen: {screen.first * 1000:.0f} ms after the start")
peer.stdin.write(b"open on\n")
peer.stdin.flush()
time.sleep(1)
watch(screen.pid, "in a call, both talking, 80x24")
screen.stop()
peer.stdin.close()
peer.wait()
idle = Screen("--bind", "127.0.0.1", "--port", "5906", "--input", "voice", "--output", "null")
time.sleep(8)
watch(idle.pid, "idle, microphone closed, 80x24")
idle.stop()
shutil.rmtree(HOME, ignore_errors=True)
