# SPDX-License-Identifier: Apache-2.0
# Reads standard input, which is empty.
# expected: ok
import sys

print(repr(sys.stdin.read()))
