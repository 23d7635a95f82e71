# SPDX-License-Identifier: Apache-2.0
# A list that doubles.
# expected: memory-limit
kept = [1]
while True:
    kept += kept
