# SPDX-License-Identifier: Apache-2.0
# An output object whose flush fails.
# expected: runtime-error
import sys


class Odd:
    closed = False

    def flush(self):
        raise OSError("odd")


sys.stdout = Odd()
