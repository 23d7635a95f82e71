# SPDX-License-Identifier: Apache-2.0
# A shell.
# expected: ok
import os

print(os.system("echo ESCAPED") != 0)
