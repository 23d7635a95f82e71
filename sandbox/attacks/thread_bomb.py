# SPDX-License-Identifier: Apache-2.0
# Threads that keep trying.
# expected: ok
import _thread

for _ in range(2000):
    try:
        _thread.start_new_thread(print, ("ESCAPED",))
    except RuntimeError:
        pass
print("no thread was started")
