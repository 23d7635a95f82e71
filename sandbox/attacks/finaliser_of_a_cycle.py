# SPDX-License-Identifier: Apache-2.0
# Finalisers in a cycle, left to the collector.
# expected: ok
class Sticky:
    def __del__(self):
        print("gone")


one = Sticky()
one.self = one
del one
print("here")
