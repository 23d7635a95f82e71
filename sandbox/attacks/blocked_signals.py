# SPDX-License-Identifier: Apache-2.0
# Blocks every signal.
# expected: time-out
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True:
    pass
