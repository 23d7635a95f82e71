# SPDX-License-Identifier: Apache-2.0
# A trace function that loops.
# expected: time-out
import sys


def trace(*_):
    while True:
        pass


sys.settrace(trace)
(lambda: None)()
