# SPDX-License-Identifier: Apache-2.0
# 9**9**9.
# expected: time-out
print(9**9**9 % 10)
