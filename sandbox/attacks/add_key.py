# SPDX-License-Identifier: Apache-2.0
# A key.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(248, b"user", b"x", b"y", 1, -3)
print("ESCAPED" if result >= 0 else "refused")
