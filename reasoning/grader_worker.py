# SPDX-License-Identifier: Apache-2.0
"""Compares answers with Math-Verify, one request at a time, for reasoning/grader.cc.

Standard input is a socket that carries frames: a little-endian 32-bit length, then that many bytes.
A request is the reference's length (32 bits), the reference and the answer. The reply is one letter:
E equal, D different, N not parsed, F failed. The first frame sent is R (ready) or X and a reason.

There is no time limit here: the other side kills this process.
"""
import logging
import os
import re
import resource
import struct
import sys


def read_exactly(channel, count):
    data = b""
    while len(data) < count:
        piece = os.read(channel, count - len(data))
        if not piece:
            sys.exit(0)
        data += piece
    return data


def send(channel, body):
    data = struct.pack("<I", len(body)) + body
    while data:
        data = data[os.write(channel, data):]


def take_channel():
    """The socket under a number of its own, so that nothing a library prints or reads can reach it."""
    channel = os.dup(0)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    return channel


UPRIGHT_LETTER = re.compile(r"\\mathrm\{([a-zA-Z])\}")
TEXT_COMMAND = re.compile(r"\\(text|mathrm|mbox|textbf|operatorname)\s*\{[^{}]*\}")
SENTENCE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}[,;:]?\s+[A-Za-z]{2,}")
PLAIN_EXPRESSION = re.compile(r"[-+*/^().,0-9 ]+")

REFUSED = {"os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.remove", "os.rename", "os.rmdir", "os.mkdir",
           "os.kill", "os.truncate", "subprocess.Popen", "socket.connect", "socket.bind", "ctypes.dlopen", "pty.spawn"}


def refuse(event, arguments):
    """An answer is data. Should any parser below ever evaluate one, it may still neither start, send nor write anything."""
    if event in REFUSED:
        raise PermissionError(event)
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
        raise PermissionError(event)


class Comparer:
    def __init__(self):
        logging.disable(logging.CRITICAL)
        import math_verify

        self.parse_text = math_verify.parse
        self.verify = math_verify.verify
        self.latex = [math_verify.LatexExtractionConfig()]
        self.expression = [math_verify.ExprExtractionConfig()]
        # Regular expressions, grammar tables and sympy's caches are made on first use.
        self.compare(r"\frac{\sqrt{2}}{x+1}", r"\frac{2}{\sqrt{2}(1+x)}")
        self.compare("(1, 2]", r"\{1, 2\}")

    def parse(self, text):
        """All of `text` as one formula. Math-Verify would else be content with a number somewhere inside what it cannot read."""
        if SENTENCE.search(TEXT_COMMAND.sub("", text)):
            return []
        text = UPRIGHT_LETTER.sub(r"\1", text)
        dressed = text if any(mark in text for mark in ("$", r"\boxed", r"\(", r"\[")) else "$" + text + "$"
        attempts = [(dressed, self.latex), (r"\boxed{" + text + "}", self.latex)]
        if PLAIN_EXPRESSION.fullmatch(text):
            attempts.append((text, self.expression))
        for attempt, config in attempts:
            found = self.parse_text(attempt, extraction_config=config, fallback_mode="no_fallback", parsing_timeout=None)
            if found:
                return found
        return []

    def compare(self, reference, answer):
        gold, given = self.parse(reference), self.parse(answer)
        if not gold or not given:
            return b"N"
        try:
            return b"E" if self.verify(gold, given, timeout_seconds=None, raise_on_error=True) else b"D"
        except Exception:
            # One of several readings could not be compared; another may still be equal.
            return b"E" if self.verify(gold, given, timeout_seconds=None) else b"F"


def main():
    channel = take_channel()
    try:
        comparer = Comparer()
    except BaseException as error:
        send(channel, b"X" + f"{type(error).__name__}: {error}".encode())
        return
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    sys.addaudithook(refuse)
    send(channel, b"R")
    while True:
        body = read_exactly(channel, struct.unpack("<I", read_exactly(channel, 4))[0])
        size = struct.unpack_from("<I", body)[0]
        try:
            verdict = comparer.compare(body[4:4 + size].decode(), body[4 + size:].decode())
        except BaseException:
            verdict = b"F"
        send(channel, verdict)


main()
