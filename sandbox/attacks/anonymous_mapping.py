# SPDX-License-Identifier: Apache-2.0
# 16 TB of address space by the bare call.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
address = libc.mmap(None, ctypes.c_size_t(1 << 44), 3, 0x22, -1, 0)
print("ESCAPED" if address != ctypes.c_void_p(-1).value else "refused")
