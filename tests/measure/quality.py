"""What the ear would say: PESQ (wide band) and STOI of each pair NAME.said.wav, NAME.heard.wav in a folder.

    cargo bench --bench playout -- --seeds 1 --keep /tmp/grid
    pip install numpy scipy soundfile pesq pystoi
    python3 tests/measure/quality.py /tmp/grid [WORD ...]      only names that hold one of these words

PESQ is the mean over pieces of 9 s (of a talk spurt, its first half second left out), each aligned by itself; the reference is the talker's own samples."""
import sys
from pathlib import Path
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import soundfile as sf
from pesq import pesq
from pystoi import stoi
from scipy.signal import fftconvolve, resample_poly

RATE = 16_000
PIECE = 9 * RATE


def read(path):
    samples, rate = sf.read(path)
    return resample_poly(samples, RATE, rate)


def aligned(said, heard, at):
    """The piece of `said` at `at`, and what of `heard` is most like it, within 100 ms."""
    piece = said[at:at + PIECE]
    room = RATE // 10
    from_ = max(0, at - room)
    window = heard[from_:at + PIECE + room]
    if len(window) < len(piece) or np.std(piece) < 0.003:
        return None
    lag = int(np.argmax(fftconvolve(window, piece[::-1], mode="valid")))
    return piece, window[lag:lag + PIECE]


def judge(stem):
    said, heard = read(f"{stem}.said.wav"), read(f"{stem}.heard.wav")
    pieces = [aligned(said, heard, at) for at in range(0, min(len(said), len(heard)) - PIECE + 1, PIECE)]
    pieces = [piece for piece in pieces if piece is not None]
    quality = [pesq(RATE, a, b, "wb") for a, b in pieces]
    clear = [stoi(a, b, RATE) for a, b in pieces]
    return Path(stem).name, np.mean(quality), np.min(quality), np.mean(clear)


def main():
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    stems = sorted(str(path)[:-len(".said.wav")] for path in folder.glob("*.said.wav"))
    stems = [stem for stem in stems if not words or any(word in Path(stem).name for word in words)]
    print("| sound | PESQ-WB mean | worst piece | STOI |\n|---|---|---|---|")
    with ProcessPoolExecutor(2) as pool:
        for name, mean, worst, clear in pool.map(judge, stems):
            print(f"| {name} | {mean:.2f} | {worst:.2f} | {clear:.3f} |", flush=True)


if __name__ == "__main__":
    main()
