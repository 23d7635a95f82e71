// SPDX-License-Identifier: Apache-2.0

// Any bytes as a wheel: an error, or a member of the size announced.

#include <cstring>
#include <memory>

#include "model/registry/zip.h"
#include "tests/model/fuzz.h"
#include "tests/model/zip_builder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace orrery::model;
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[size]);
  if (size > 0) std::memcpy(exact.get(), data, size);
  for (const char* name : {"a", "dir/b"}) {
    const auto member = FindZipMember({exact.get(), size}, name);
    if (!member.ok()) continue;
    uint64_t made = 0;
    const auto status = UnpackZipMember(*member, [&](std::string_view bytes) {
      made += bytes.size();
      return absl::OkStatus();
    });
    if (made > member->size || (status.ok() && made != member->size)) std::abort();
  }
  return 0;
}

#ifndef ORRERY_LIBFUZZER
int main() {
  using orrery::model::ZipBuilder;
  const std::string text = "some text, some text, some other text";
  return orrery::fuzz::Drive({ZipBuilder().Add("a", text, true).Add("dir/b", text, false).Bytes("note"),
                              ZipBuilder().Add("a", "", true).Bytes()},
                             200000);
}
#endif
