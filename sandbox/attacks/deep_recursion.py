# SPDX-License-Identifier: Apache-2.0
# Recursion without end.
# expected: runtime-error
def deeper():
    return deeper()


deeper()
