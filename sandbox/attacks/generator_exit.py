# SPDX-License-Identifier: Apache-2.0
# GeneratorExit.
# expected: runtime-error
raise GeneratorExit
