# SPDX-License-Identifier: Apache-2.0
# Every byte there is.
# expected: ok
import sys

sys.stdout.buffer.write(bytes(range(256)))
