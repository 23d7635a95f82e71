# SPDX-License-Identifier: Apache-2.0
# Breaks what describes an exception, then fails.
# expected: runtime-error
import traceback

for name in list(vars(traceback)):
    if not name.startswith("__"):
        setattr(traceback, name, None)
raise ValueError("still an error")
