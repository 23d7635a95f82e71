# SPDX-License-Identifier: Apache-2.0
# A netlink socket.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(41, 16, 3, 0)
print("ESCAPED" if result >= 0 else "refused")
