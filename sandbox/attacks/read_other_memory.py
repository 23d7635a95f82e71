# SPDX-License-Identifier: Apache-2.0
# Reads another process's memory.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(310, 1, 0, 0, 0, 0, 0)
print("ESCAPED" if result >= 0 else "refused")
