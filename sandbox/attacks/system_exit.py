# SPDX-License-Identifier: Apache-2.0
# SystemExit with a good status.
# expected: runtime-error
import sys

sys.exit(0)
