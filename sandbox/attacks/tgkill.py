# SPDX-License-Identifier: Apache-2.0
# tgkill of process 1.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(234, 1, 1, 9)
print("ESCAPED" if result >= 0 else "refused")
