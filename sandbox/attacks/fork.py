# SPDX-License-Identifier: Apache-2.0
# A plain fork.
# expected: runtime-error
import os

if os.fork() == 0:
    print("ESCAPED")
