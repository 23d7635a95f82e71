# SPDX-License-Identifier: Apache-2.0
# A forged pause, and for every step that is to follow it the word that it could not be forked, while it was: a sandbox
# that believes it tries again for ever.
# expected: runtime-error
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
ok, no_fork = 1, 4
magic = ctypes.c_long(0x6F727265727931)

result = libc.syscall(56, 0x8011, 0, magic, ok, 0)
while result > 0:
    result = libc.syscall(56, 0x8011, 0, magic, no_fork, 11)
while True:
    pass
<end_of_step>
print("this code is never read")
