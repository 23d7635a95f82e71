# SPDX-License-Identifier: Apache-2.0
# A list of 10^10.
# expected: memory-limit
print(len([0] * 10**10))
