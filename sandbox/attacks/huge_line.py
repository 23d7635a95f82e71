# SPDX-License-Identifier: Apache-2.0
# One line of 10 MB.
# expected: output-limit
print("x" * 10**7)
