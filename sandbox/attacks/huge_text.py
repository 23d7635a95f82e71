# SPDX-License-Identifier: Apache-2.0
# A text of 10^11.
# expected: memory-limit
print(len("x" * 10**11))
