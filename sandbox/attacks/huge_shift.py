# SPDX-License-Identifier: Apache-2.0
# A number of 10^11 bits.
# expected: memory-limit
print((1 << 10**11).bit_length())
