// SPDX-License-Identifier: Apache-2.0
#pragma once

// What may stand behind a number without making another one of it: a percent sign, a currency, a unit, what is counted.

#include <string_view>

#include "reasoning/number.h"

namespace orrery::reasoning {

// Whether `tail` may follow a number; fills `percent` and `unit`. "5 boxes" and "5cm" may, "5x", "5 million" and "5 or
// 6" may not.
bool ReadTail(std::string_view tail, PlainNumber& number);

}  // namespace orrery::reasoning
