# SPDX-License-Identifier: Apache-2.0
# A flood on standard error, which goes nowhere.
# expected: ok
import sys

for _ in range(20000):
    sys.stderr.write("x" * 100)
print("done")
