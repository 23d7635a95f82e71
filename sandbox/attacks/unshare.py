# SPDX-License-Identifier: Apache-2.0
# A user namespace of its own.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(272, 0x10000000)
print("ESCAPED" if result >= 0 else "refused")
