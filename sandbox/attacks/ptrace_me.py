# SPDX-License-Identifier: Apache-2.0
# Asks to be traced.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(101, 0, 0, 0, 0)
print("ESCAPED" if result >= 0 else "refused")
