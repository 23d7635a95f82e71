# SPDX-License-Identifier: Apache-2.0
# A number longer than Python prints.
# expected: runtime-error
print(10**5000)
