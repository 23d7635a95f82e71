# SPDX-License-Identifier: Apache-2.0
# Forgets every module and every finder.
# expected: ok
import sys

sys.meta_path.clear()
sys.modules.clear()
print("still here")
