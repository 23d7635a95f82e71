# SPDX-License-Identifier: Apache-2.0
# A thread.
# expected: runtime-error
import threading

threading.Thread(target=lambda: print("ESCAPED")).start()
