# SPDX-License-Identifier: Apache-2.0
# The clock as the times of a file or a pipe tell it, and which files the machine has.
# expected: ok
import os

told = []
for look in (lambda: os.fstat(1), lambda: os.stat("/"), lambda: os.stat("/proc/self"), lambda: os.lstat("/usr")):
    try:
        told.append(look())
    except PermissionError:
        pass
print("ESCAPED %s" % told if told else "nothing was told")
