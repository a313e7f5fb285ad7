#!/usr/bin/env python3
"""From the key event to the first packet on the wire: tests/measure/key.py [PRESSES]. Linux, Python alone.

A voicetui in a pty calls a UDP socket of this script (RTP, synthetic voice); each press is one space written to the pty, let go
by the end of its repeats. The first packet carries the 60 ms before the key (its RTP time says so).
"""
import os
import pty
import select
import shutil
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

BINARY = os.environ.get("VOICETUI") or str(Path(__file__).resolve().parents[2] / "target/release/voicetui")
PRESSES = int(sys.argv[1]) if len(sys.argv) > 1 else 20
HOME = tempfile.mkdtemp(prefix="key-")
ENV = {**os.environ, "HOME": HOME, "XDG_RUNTIME_DIR": HOME, "XDG_CONFIG_HOME": HOME, "XDG_STATE_HOME": HOME, "TERM": "xterm-256color"}

ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ear.bind(("127.0.0.1", 0))
pid, fd = pty.fork()
if pid == 0:
    os.execve(BINARY, [BINARY, "--bind", "127.0.0.1", "--port", "0", "--input", "voice", "--output", "null", f"127.0.0.1:{ear.getsockname()[1]}"], ENV)


def drain():
    try:
        while os.read(fd, 65536):
            pass
    except OSError:
        pass


def media(until):
    """The next RTP packet (no RTCP) and when it came."""
    while (left := until - time.monotonic()) > 0 and select.select([ear], [], [], left)[0]:
        data = ear.recv(2048)
        if not 192 <= data[1] <= 223:
            return time.monotonic(), data
    return None, None


threading.Thread(target=drain, daemon=True).start()
time.sleep(2)
times, bursts = [], []
for press in range(PRESSES):
    while media(time.monotonic() + 0.6)[0]:
        pass
    time.sleep(0.013 * (press % 7))
    start = time.monotonic()
    os.write(fd, b" ")
    came, data = media(start + 1)
    if came is None:
        raise SystemExit("no packet within a second of the key")
    times.append((came - start) * 1000)
    burst = 1
    while (came := media(start + times[-1] / 1000 + 0.003)[0]):
        burst += 1
    bursts.append(burst)
os.kill(pid, signal.SIGTERM)
os.waitpid(pid, 0)
shutil.rmtree(HOME, ignore_errors=True)
times.sort()
print(f"key to wire: median {statistics.median(times):.1f} ms, slowest of {PRESSES} {times[-1]:.1f} ms; "
      f"{statistics.median(bursts):.0f} packets of 10 ms at once (pre-roll and the present)")
