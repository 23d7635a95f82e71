# SPDX-License-Identifier: Apache-2.0
# A finaliser without end.
# expected: time-out
class Sticky:
    def __del__(self):
        while True:
            pass


sticky = Sticky()
del sticky
