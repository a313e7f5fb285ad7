#!/usr/bin/env python3
"""The seed's sender, after its description: 44.1 kHz mono int16, blocks of 1,024 samples, each block raw in one datagram.
  send.py HOST [PORT]"""
import socket
import sys
import threading

import numpy as np
import sounddevice as sd

host = sys.argv[1]
port = int(sys.argv[2]) if len(sys.argv) > 2 else 5005
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def callback(indata, frames, time, status):
    sock.sendto(np.ascontiguousarray(indata[:, 0], dtype=np.int16).tobytes(), (host, port))


with sd.InputStream(samplerate=44100, channels=1, dtype="int16", blocksize=1024, callback=callback):
    print("sending", flush=True)
    threading.Event().wait()
