# SPDX-License-Identifier: Apache-2.0
# Fresh memory to run code in.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
address = libc.mmap(None, 4096, 7, 0x22, -1, 0)
print("ESCAPED" if address != ctypes.c_void_p(-1).value else "refused")
