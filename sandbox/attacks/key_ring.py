# SPDX-License-Identifier: Apache-2.0
# The session's key ring.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(250, 0, -3, 1)
print("ESCAPED" if result >= 0 else "refused")
