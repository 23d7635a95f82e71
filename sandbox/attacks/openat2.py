# SPDX-License-Identifier: Apache-2.0
# openat2.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(437, -100, b"/usr", 0, 24)
print("ESCAPED" if result >= 0 else "refused")
