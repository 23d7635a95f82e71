# SPDX-License-Identifier: Apache-2.0
# Pauses as the interpreter would: ends its own step, as one that says it went well, and no more.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)

print("before")
result = libc.syscall(56, 0x8011, 0, ctypes.c_long(0x6f727265727931), 1, 0)
print("ESCAPED")
