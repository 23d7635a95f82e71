// SPDX-License-Identifier: Apache-2.0

// Any bytes as a safetensors file: an error or a file whose tensors can all be read. Worth running with --config=asan.

#include <cstring>
#include <memory>
#include <vector>

#include "model/formats/safetensors.h"
#include "tests/model/fuzz.h"
#include "tests/model/safetensors_builder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace orrery::model;
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[size]);  // so that a sanitizer sees every byte read beyond
  if (size > 0) std::memcpy(exact.get(), data, size);
  const auto file = SafetensorsFile::FromBytes({exact.get(), size}, "fuzz.safetensors");
  if (!file.ok()) return 0;
  for (const GgufTensor& tensor : (*file)->tensors()) {
    const uint64_t elements = tensor.elements();
    if (elements > size) std::abort();
    std::vector<float> values(elements);
    Dequantise(tensor, 0, elements, values.data());
  }
  return 0;
}

#ifndef ORRERY_LIBFUZZER
int main() {
  using orrery::model::Safetensors;
  return orrery::fuzz::Drive(
      {Safetensors(R"({"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
                   R"("b":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]}})",
                   "12345678123456"),
       Safetensors(R"({"__metadata__":{"format":"pt"},"x":{"dtype":"F16","shape":[],"data_offsets":[0,2]}})", "12")},
      100000);
}
#endif
