# SPDX-License-Identifier: Apache-2.0
# Wants a signal of its own to break a loop.
# expected: time-out
import signal


def handler(number, frame):
    raise TimeoutError


signal.signal(signal.SIGALRM, handler)
signal.alarm(1)
while True:
    pass
