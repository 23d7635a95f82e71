# SPDX-License-Identifier: Apache-2.0
# An exception whose text is another exception.
# expected: runtime-error
class Odd(Exception):
    def __str__(self):
        raise SystemExit("worse")


raise Odd
