# SPDX-License-Identifier: Apache-2.0
# The byte code that all processes share cannot be made writable.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)

import sys

view = sys.meta_path[-1]._bytes
address = ctypes.c_void_p.from_buffer_copy(ctypes.c_void_p(0))
info = (ctypes.c_char * 0).from_buffer if not view.readonly else None
buffer = ctypes.py_object(view)


class Buffer(ctypes.Structure):
    _fields_ = [("buf", ctypes.c_void_p), ("rest", ctypes.c_char * 200)]


room = Buffer()
assert ctypes.pythonapi.PyObject_GetBuffer(buffer, ctypes.byref(room), 0) == 0
print("ESCAPED" if libc.mprotect(ctypes.c_void_p(room.buf), 4096, 3) == 0 else "sealed")
