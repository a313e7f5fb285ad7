#!/usr/bin/env python3
"""Writes sealed.txt: the bytes of a handshake and of sealed packets, made by another implementation of Noise.

    pip install noiseprotocol && python3 sealed.py > sealed.txt

All secrets are fixed, so that the file never changes. `tests/wire.rs` compares voicetui's own bytes with it.
"""
from hashlib import blake2s

from noise.connection import Keypair, NoiseConnection

VERSION = 1
I_INDEX, R_INDEX = 0x01020304, 0xA1B2C3D4
R = bytes(range(100, 132))
PSK = bytes([0x55] * 32)
CONTINUES = 0x1122334455667788


def side(initiator, static, ephemeral):
    noise = NoiseConnection.from_name(b"Noise_XXpsk3_25519_ChaChaPoly_BLAKE2s")
    noise.set_as_initiator() if initiator else noise.set_as_responder()
    noise.set_prologue(b"voicetui 1")
    noise.set_psks(PSK)
    noise.set_keypair_from_private_bytes(Keypair.STATIC, bytes([static] * 32))
    noise.set_keypair_from_private_bytes(Keypair.EPHEMERAL, bytes([ephemeral] * 32))
    noise.start_handshake()
    return noise


def show(name, data):
    print(name, bytes(data).hex())


def transport(noise, index, counter, packet):
    header = bytes([11]) + index.to_bytes(4, "big") + counter.to_bytes(8, "big")
    cipher = noise.noise_protocol.cipher_state_encrypt
    cipher.n = counter
    return header + cipher.encrypt_with_ad(header, packet)


def main():
    a, b = side(True, 1, 3), side(False, 2, 4)
    commitment = blake2s(b"commit" + R).digest()
    first = a.write_message(I_INDEX.to_bytes(4, "big") + commitment + bytes(16))
    show("message1", bytes([8, VERSION]) + first + bytes(16))
    b.read_message(first)
    second = b.write_message(R_INDEX.to_bytes(4, "big") + bytes(4))
    h2 = b.noise_protocol.handshake_state.symmetric_state.h
    show("message2", bytes([9, VERSION]) + I_INDEX.to_bytes(4, "big") + second)
    a.read_message(second)
    third = a.write_message(R + CONTINUES.to_bytes(8, "big"))
    show("message3", bytes([10, VERSION]) + R_INDEX.to_bytes(4, "big") + third)
    b.read_message(third)
    words = int.from_bytes(blake2s(b"voicetui sas 1" + h2 + R).digest(), "big") >> (256 - 44)
    show("words", words.to_bytes(8, "big"))
    for noise, who, index in ((a, "initiator", R_INDEX), (b, "responder", I_INDEX)):
        for kind, counter in (("media", 0), ("media", 1), ("control", 1 << 63)):
            show(f"{who}-{kind}-{counter & 0xff}", transport(noise, index, counter, b"\x80packet of " + kind.encode()))


main()
