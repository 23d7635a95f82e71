# SPDX-License-Identifier: Apache-2.0
# A call by the x32 table.
# expected: signal
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall(0x40000000 + 39)
print("ESCAPED")
