# SPDX-License-Identifier: Apache-2.0
# Poisons what the next step is prepared with.
# expected: ok
import random

random.seed = random.random = None
<end_of_step>
import math

print(math.pi)
