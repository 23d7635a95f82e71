# SPDX-License-Identifier: Apache-2.0
# Processes by multiprocessing.
# expected: runtime-error
import multiprocessing

process = multiprocessing.Process(target=print, args=("ESCAPED",))
process.start()
process.join()
