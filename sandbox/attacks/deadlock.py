# SPDX-License-Identifier: Apache-2.0
# A lock taken twice.
# expected: time-out
import threading

lock = threading.Lock()
lock.acquire()
lock.acquire()
