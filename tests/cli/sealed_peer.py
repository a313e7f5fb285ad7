#!/usr/bin/env python3
"""Calls or answers a voicetui over UDP, sealed by another implementation of Noise.

    pip install noiseprotocol
    sealed_peer.py call HOST:PORT [PSK]     to one that answers everybody
    sealed_peer.py lie HOST:PORT            first reveals another number than the one it was bound to
    sealed_peer.py refused HOST:PORT        to one that has a passphrase
    sealed_peer.py answer [PSK]             prints its port; to be called with --open

PSK is in hexadecimal. Each thing that goes out is repeated until it is answered. Ends with a line of JSON, or fails with what did
not come. All that it knows of voicetui stands here: the framing is written down in src/session/handshake.rs, src/wire/sealed.rs
and src/wire/app.rs.
"""
import json
import os
import random
import socket
import struct
import sys
import time
from hashlib import blake2s

from noise.connection import Keypair, NoiseConnection

VERSION = 1
HANDSHAKE1, HANDSHAKE2, HANDSHAKE3, TRANSPORT, REFUSAL = 8, 9, 10, 11, 13
STATE, ECHO, PING, PONG, LEG = 1, 2, 8, 9, 11
CALLING, LIVE, ENDED = 1, 3, 6
OPUS = 111
SILENCE = b"\xf8\xff\xfe"  # 20 ms of Opus
PATIENCE = 30.0
REPEAT = 0.25


class Wire:
    """A socket, and what must never arrive there."""

    def __init__(self, to=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.to = to
        self.void = []

    def send(self, datagram):
        self.socket.sendto(datagram, self.to)

    def wait(self, what, take, say=None, every=REPEAT):
        """Says `say` each time anew until `take` makes something of a datagram."""
        end, due = time.monotonic() + PATIENCE, 0
        while (now := time.monotonic()) < end:
            if say and now >= due:
                say()
                due = now + every
            self.socket.settimeout(max(due - now, 0.001) if say else end - now)
            try:
                datagram, origin = self.socket.recvfrom(65535)
            except socket.timeout:
                continue
            if datagram[0] == TRANSPORT and datagram[1:5] in self.void:
                sys.exit("a void handshake was confirmed")
            found = take(datagram, origin)
            if found is not None:
                return found
        sys.exit(f"no {what} within {PATIENCE:.0f} s")


class Session:
    """The keys of a handshake that is done. Each class of packets has a counter of its own."""

    def __init__(self, wire, noise, index, peer_index):
        self.wire, self.noise = wire, noise.noise_protocol
        self.index, self.peer_index = index, peer_index
        self.sent, self.seen = [0, 0], set()

    def send(self, control, packet):
        counter = control << 63 | self.sent[control]
        self.sent[control] += 1
        header = bytes([TRANSPORT]) + self.peer_index + counter.to_bytes(8, "big")
        cipher = self.noise.cipher_state_encrypt
        cipher.set_nonce(counter)
        self.wire.send(header + cipher.encrypt_with_ad(header, packet))

    def open(self, datagram):
        """(class, packet), or None if it is not for these keys. Whatever is must open, and once only."""
        if datagram[0] != TRANSPORT or datagram[1:5] != self.index:
            return None
        header, counter = datagram[:13], int.from_bytes(datagram[5:13], "big")
        assert counter not in self.seen, "a counter came twice"
        self.seen.add(counter)
        cipher = self.noise.cipher_state_decrypt
        cipher.set_nonce(counter)
        return counter >> 63, cipher.decrypt_with_ad(header, datagram[13:])


def start(initiator, psk, static):
    noise = NoiseConnection.from_name(b"Noise_XXpsk3_25519_ChaChaPoly_BLAKE2s")
    noise.set_as_initiator() if initiator else noise.set_as_responder()
    noise.set_prologue(b"voicetui 1")
    noise.set_psks(psk)
    noise.set_keypair_from_private_bytes(Keypair.STATIC, static)
    noise.start_handshake()
    return noise


def commitment(r):
    return blake2s(b"commit" + r).digest()


def result(h2, r, state):
    """What both sides must agree on. `state` has both static keys, and is forgotten by its owner when the handshake is done."""
    words = int.from_bytes(blake2s(b"voicetui sas 1" + h2 + r).digest(), "big") >> (256 - 44)
    return {"words": words, "own_key": state.s.public_bytes.hex(), "peer_key": state.rs.public_bytes.hex()}


def for_handshake(kind, index):
    return lambda datagram, _: datagram if datagram[:6] == bytes([kind, VERSION]) + index else None


def initiate(wire, psk, static, lie=False, answer=None):
    """All three messages, and what answers the third: by default its confirmation."""
    noise, index, r = start(True, psk, static), os.urandom(4), os.urandom(32)
    state = noise.noise_protocol.handshake_state
    message1 = bytes([HANDSHAKE1, VERSION]) + noise.write_message(index + commitment(r) + bytes(16)) + bytes(16)
    message2 = wire.wait("message 2", for_handshake(HANDSHAKE2, index), lambda: wire.send(message1))
    assert len(message2) <= len(message1), "an answer is longer than its question"
    peer_index = noise.read_message(message2[6:])[:4]
    h2 = state.symmetric_state.h
    reveal = os.urandom(32) if lie else r
    message3 = bytes([HANDSHAKE3, VERSION]) + peer_index + noise.write_message(reveal + bytes(8))
    session = Session(wire, noise, bytes(index), bytes(peer_index))
    if lie:
        wire.void.append(session.index)
        wire.send(message3)
        return None
    if answer:
        return wire.wait("refusal", lambda datagram, _: answer(datagram, session), lambda: wire.send(message3))
    confirmed = wire.wait("confirmation", lambda datagram, _: session.open(datagram), lambda: wire.send(message3))
    assert confirmed == (1, b"\x01\x00"), f"not a confirmation of a new session: {confirmed}"
    return session, result(h2, r, state)


def respond(wire, psk, static):
    noise, index = start(False, psk, static), os.urandom(4)
    state = noise.noise_protocol.handshake_state
    message1, wire.to = wire.wait("message 1", lambda datagram, origin: (datagram, origin) if datagram[0] == HANDSHAKE1 else None)
    assert len(message1) == 118 and message1[1] == VERSION, message1.hex()
    question = noise.read_message(message1[2:-16])
    peer_index, bound_to = bytes(question[:4]), bytes(question[4:36])
    message2 = bytes([HANDSHAKE2, VERSION]) + peer_index + noise.write_message(index + bytes(4))
    h2 = state.symmetric_state.h
    message3 = wire.wait("message 3", for_handshake(HANDSHAKE3, index), lambda: wire.send(message2))
    assert len(message3) <= len(message2), "an answer is longer than its question"
    reveal = noise.read_message(message3[6:])
    r, continues = bytes(reveal[:32]), bytes(reveal[32:])
    assert commitment(r) == bound_to, "it reveals another number than it was bound to"
    assert continues == bytes(8), "there was no session before"
    return Session(wire, noise, index, peer_index), result(h2, r, state)


def rtcp(kind, count, body):
    assert len(body) % 4 == 0
    return struct.pack(">BBH", 0x80 | count, kind, len(body) // 4) + body


def padded(text):
    return text + bytes(-len(text) % 4)


class Call:
    """What is said inside: an empty report, a name, and where we stand."""

    def __init__(self, session):
        self.session = session
        self.ssrc = random.randrange(1, 1 << 32).to_bytes(4, "big")
        self.leg, self.peer_leg = random.randrange(1, 1 << 32), 0
        self.ping = random.randrange(1, 1 << 64)
        self.ponged = False
        self.heard = None
        self.highest = None
        self.media = []
        self.packets = 0

    def say(self, word):
        def field(kind, value):
            return bytes([kind, len(value)]) + value

        body = field(STATE, bytes([word])) + field(LEG, struct.pack(">II", self.leg, self.peer_leg))
        body += field(PING, self.ping.to_bytes(8, "big")) + (field(ECHO, bytes([self.heard])) if self.heard else b"")
        cname = padded(self.ssrc + b"\x01\x05noise\x00")
        compound = rtcp(201, 0, self.ssrc) + rtcp(202, 1, cname) + rtcp(204, 0, self.ssrc + b"vtui" + padded(body))
        self.session.send(1, compound)

    def speak(self):
        """20 ms of voice."""
        self.packets += 1
        header = struct.pack(">BBHI", 0x80, OPUS | (0x80 if self.packets == 1 else 0), self.packets, self.packets * 960)
        self.session.send(0, header + self.ssrc + SILENCE)

    def hear(self, datagram, _=None):
        """Takes what is sealed for us."""
        opened = self.session.open(datagram)
        if opened is None:
            return
        control, packet = opened
        if control:
            if packet[0] >= 128:
                self.read(packet)
        else:
            assert packet[0] == 0x80 and packet[1] & 127 == OPUS and len(packet) > 12, packet.hex()
            self.media.append(packet)

    def read(self, compound):
        while compound:
            first, kind, words = struct.unpack(">BBH", compound[:4])
            body, compound = compound[4 : 4 + 4 * words], compound[4 + 4 * words :]
            assert first >> 6 == 2 and len(body) == 4 * words, "not an RTCP compound"
            if kind in (200, 201) and first & 31:
                block = body[-24:]
                if block[:4] == self.ssrc:
                    self.highest = struct.unpack(">I", block[8:12])[0]
            elif kind == 204 and body[4:8] == b"vtui":
                self.statements(body[8:])

    def statements(self, body):
        said = {}
        while body := body.lstrip(b"\0"):
            kind, length = body[0], body[1]
            said[kind], body = body[2 : 2 + length], body[2 + length :]
        ours, theirs = 0, 0
        if LEG in said:
            theirs, ours = struct.unpack(">II", said[LEG])
        self.peer_leg = theirs or self.peer_leg
        self.ponged |= said.get(PONG) == self.ping.to_bytes(8, "big")
        if STATE in said and (ours == self.leg or said[STATE][0] == CALLING):
            self.heard = said[STATE][0]

    def until(self, what, true, say, every=REPEAT):
        def take(datagram, _):
            self.hear(datagram)
            return True if true() else None

        self.session.wire.wait(what, take, say, every)

    def hang_up(self):
        self.until("end", lambda: self.heard == ENDED, lambda: self.say(ENDED))


def calls(wire, psk, lie=False):
    static = os.urandom(32)
    if lie:
        initiate(wire, psk, static, lie=True)
    session, agreed = initiate(wire, psk, static)
    call = Call(session)
    call.until("answer", lambda: call.heard == LIVE and call.ponged, lambda: call.say(CALLING))
    call.say(LIVE)
    # The report of our voice shows that it was opened, and comes sealed itself.
    call.until("report of 25 packets", lambda: (call.highest or 0) >= 25, call.speak, 0.02)
    call.hang_up()
    return agreed


def answers(wire, psk):
    print(json.dumps({"port": wire.socket.getsockname()[1]}), flush=True)
    session, agreed = respond(wire, psk, os.urandom(32))
    # The confirmation; it may come more than once.
    call = Call(session)
    call.until("call", lambda: call.heard == CALLING, lambda: session.send(1, b"\x01\x00"))
    call.until("live call", lambda: call.heard == LIVE and call.ponged, lambda: call.say(LIVE))
    call.until("voice", lambda: len(call.media) >= 25, lambda: call.say(LIVE))
    call.hang_up()
    return agreed


def refused(wire):
    def refusal(datagram, session):
        return datagram if datagram == bytes([REFUSAL, VERSION]) + session.index + session.peer_index else None

    initiate(wire, bytes(32), os.urandom(32), answer=refusal)
    return {"refused": True}


def main():
    what, *rest = sys.argv[1:]
    to = None
    if what != "answer":
        host, port = rest.pop(0).rsplit(":", 1)
        to = (host, int(port))
    wire, psk = Wire(to), bytes.fromhex(rest[0]) if rest else bytes(32)
    if what == "answer":
        done = answers(wire, psk)
    elif what == "refused":
        done = refused(wire)
    else:
        done = calls(wire, psk, lie=what == "lie")
    print(json.dumps(done), flush=True)


main()
