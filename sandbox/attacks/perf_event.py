# SPDX-License-Identifier: Apache-2.0
# Performance counters.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(298, 0, 0, -1, -1, 0)
print("ESCAPED" if result >= 0 else "refused")
