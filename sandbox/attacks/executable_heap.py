# SPDX-License-Identifier: Apache-2.0
# Its heap made executable.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
address = libc.mmap(None, 4096, 3, 0x22, -1, 0)
print("ESCAPED" if libc.mprotect(ctypes.c_void_p(address), 4096, 7) == 0 else "refused")
