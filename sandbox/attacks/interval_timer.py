# SPDX-License-Identifier: Apache-2.0
# An interval timer.
# expected: runtime-error
import signal

signal.setitimer(signal.ITIMER_REAL, 0.1)
print("ESCAPED")
