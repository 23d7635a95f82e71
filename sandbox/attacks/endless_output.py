# SPDX-License-Identifier: Apache-2.0
# Prints without end.
# expected: output-limit
while True:
    print("x" * 100)
