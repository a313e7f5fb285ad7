#!/usr/bin/env python3
"""The seed's receiver, after its description: binds 0.0.0.0, plays each datagram as it comes, silence when none comes in time.
  receive.py [PORT]"""
import queue
import socket
import sys
import threading

import numpy as np
import sounddevice as sd

port = int(sys.argv[1]) if len(sys.argv) > 1 else 5005
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("0.0.0.0", port))
blocks = queue.Queue(maxsize=20)


def receive():
    while True:
        data, _ = sock.recvfrom(4096)
        if len(data) != 2048:
            print("unexpected", len(data), flush=True)
        try:
            blocks.put_nowait(np.frombuffer(data, dtype=np.int16))
        except queue.Full:
            pass


def callback(outdata, frames, time, status):
    try:
        block = blocks.get(timeout=0.05)
        outdata[:, 0] = block[:frames]
    except (queue.Empty, ValueError):
        outdata.fill(0)


threading.Thread(target=receive, daemon=True).start()
with sd.OutputStream(samplerate=44100, channels=1, dtype="int16", blocksize=1024, callback=callback):
    print("listening", flush=True)
    threading.Event().wait()
