// SPDX-License-Identifier: Apache-2.0

// Any bytes as a GGUF file: an error or a file whose tensors can all be read. Worth running with --config=asan.

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/paths.h"
#include "model/formats/gguf.h"
#include "tests/model/fuzz.h"
#include "tests/model/gguf_builder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace orrery::model;
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[size]);  // so that a sanitizer sees every byte read beyond
  if (size > 0) std::memcpy(exact.get(), data, size);
  const auto file = GgufFile::FromBytes({exact.get(), size}, "fuzz.gguf");
  if (!file.ok()) return 0;
  for (const GgufTensor& tensor : (*file)->tensors()) {
    if ((*file)->Find(tensor.name) != &tensor) std::abort();
    const uint64_t elements = tensor.elements();
    if (elements > 16 * size) std::abort();  // no type stores more than four elements a byte
    std::vector<float> values(elements);
    Dequantise(tensor, 0, elements, values.data());
  }
  for (const auto& [key, value] : (*file)->metadata()) (void)(*file)->Unsigned(key), (void)(*file)->String(key);
  return 0;
}

#ifndef ORRERY_LIBFUZZER
int main() {
  using orrery::model::GgufBuilder;
  GgufBuilder builder;
  builder.Key("general.alignment", GgufBuilder::kUint32, GgufBuilder::Raw<uint32_t>(8));
  builder.alignment = 8;
  builder.Key("s", GgufBuilder::kArray,
              GgufBuilder::Array(GgufBuilder::kString, 2, GgufBuilder::Sized("a") + GgufBuilder::Sized("b")));
  builder.Tensor("x", {4, 2}, 0, std::string(32, '\1')).Tensor("y", {32}, 8, std::string(34, '\2'));
  std::vector<std::string> seeds = {builder.Bytes()};
  const auto path = orrery::DataFile("tests/model/golden/dequantise.gguf");
  if (!path.ok()) return 1;
  seeds.push_back(orrery::ReadFile(*path).value());
  return orrery::fuzz::Drive(seeds, 200000);
}
#endif
