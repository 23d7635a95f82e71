# SPDX-License-Identifier: Apache-2.0
# An expression too deep for the parser.
# expected: memory-limit
print(eval("-" * 10**6 + "1"))
