# SPDX-License-Identifier: Apache-2.0
# A loop without end.
# expected: time-out
while True:
    pass
