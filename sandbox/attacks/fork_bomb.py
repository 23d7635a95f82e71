# SPDX-License-Identifier: Apache-2.0
# Forks that keep trying whatever happens.
# expected: ok
import os

for _ in range(2000):
    try:
        os.fork()
        print("ESCAPED")
    except OSError:
        pass
print("nothing was forked")
