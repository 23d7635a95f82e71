// SPDX-License-Identifier: Apache-2.0
#pragma once

// Every operation of a device on odd sizes, each as a function from a device to the bytes it computed: what two devices
// give can be compared, on the emulator and on hardware.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/device.h"

namespace orrery::kernels {

// What an operation computed, as float32 (sums of exponentials too).
struct Computed {
  std::vector<float> values;
  Status status;
};

struct DeviceCase {
  std::string name;
  bool product;  // matrix products are in it: equal bits are not to be expected of a library
  std::function<Computed(Device&)> run;
};

std::vector<DeviceCase> DeviceCases();

// Writes `rows` rows of `width` values, padded and rounded to the device's type, to the begin of `to`.
void UploadRows(Device& device, Buffer& to, const float* values, int rows, int width);

// Random numbers of a normal distribution.
std::vector<float> Normal(size_t count, uint32_t seed, float scale = 1);

}  // namespace orrery::kernels
