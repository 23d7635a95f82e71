# SPDX-License-Identifier: Apache-2.0
# Factors a product of two large primes.
# expected: time-out
import sympy

print(sympy.factorint((2**521 - 1) * (2**607 - 1), use_trial=False, use_pm1=False, use_rho=True))
