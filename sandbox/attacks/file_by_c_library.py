# SPDX-License-Identifier: Apache-2.0
# A file by the C library itself.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
print("ESCAPED" if libc.open(b"/usr/bin/python3", 0) >= 0 else "refused")
