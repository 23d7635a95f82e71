# SPDX-License-Identifier: Apache-2.0
# Memory that would be shared with every step forked later, so that a step could leave word for its siblings.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]

shared, shared_checked = 0x01, 0x03
refused = all(libc.mmap(None, 4096, 3, 0x20 | kind, -1, 0) == 2**64 - 1 for kind in (shared, shared_checked))
print("refused" if refused else "ESCAPED")
