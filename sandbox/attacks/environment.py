# SPDX-License-Identifier: Apache-2.0
# The environment tells nothing.
# expected: ok
import os

print("ESCAPED" if set(os.environ) - {"OPENBLAS_NUM_THREADS", "LD_BIND_NOW", "LC_ALL", "PATH", "LC_CTYPE"} else "nothing")
