# SPDX-License-Identifier: Apache-2.0
# An exception whose text never ends.
# expected: time-out
class Odd(Exception):
    def __str__(self):
        while True:
            pass


raise Odd
