# SPDX-License-Identifier: Apache-2.0
# Catches whatever would end it.
# expected: time-out
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
