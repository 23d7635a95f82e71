# SPDX-License-Identifier: Apache-2.0
# A chain of 10,000 exceptions.
# expected: runtime-error
error = None
for i in range(10000):
    new = ValueError(i)
    new.__cause__ = error
    error = new
raise error
