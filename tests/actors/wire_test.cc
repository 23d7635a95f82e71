// SPDX-License-Identifier: Apache-2.0
#include "actors/wire.h"

#include <gtest/gtest.h>

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/sec.hpp>
#include <string>
#include <vector>

#include "actors/interfaces.h"

namespace orrery::actors {
namespace {

// What a message of one chunk is on a wire, and back.
class WireTest : public testing::Test {
 protected:
  template <class T>
  std::vector<char> Written(const Chunk<T>& chunk) {
    std::vector<char> bytes;
    caf::binary_serializer sink(system_, bytes);
    EXPECT_FALSE(sink(caf::make_message(chunk)));
    return bytes;
  }

  template <class T>
  caf::error Read(const std::vector<char>& bytes, Chunk<T>* chunk) {
    caf::message message;
    caf::binary_deserializer source(system_, bytes);
    if (auto error = source(message)) return error;
    if (!message.match_elements<Chunk<T>>()) return caf::sec::unexpected_message;
    *chunk = message.get_as<Chunk<T>>(0);
    return caf::none;
  }

  caf::actor_system_config config_ = [] {
    caf::actor_system_config config;
    config.add_message_types<caf::id_block::orrery>();
    return config;
  }();
  caf::actor_system system_{config_};
};

// A table with no field set.
template <class T>
Chunk<T> Made() {
  flatbuffers::FlatBufferBuilder builder;
  const auto start = builder.StartTable();
  builder.Finish(flatbuffers::Offset<T>(builder.EndTable(start)));
  return Chunk<T>(std::move(builder));
}

using Types =
    testing::Types<schema::Descend, schema::Partial, schema::Generate, schema::Generated, schema::Run, schema::Ran,
                   schema::GradeAnswer, schema::Graded, schema::Ended, schema::Backup, schema::Expansion,
                   schema::TreeRecord, schema::TreeDone, schema::EngineReport, schema::StoreReport>;

template <class T>
class EveryChunk : public WireTest {};
TYPED_TEST_SUITE(EveryChunk, Types);

TYPED_TEST(EveryChunk, ComesBackWithTheSameBytes) {
  for (const auto& chunk : {Made<TypeParam>(), Chunk<TypeParam>()}) {
    Chunk<TypeParam> back;
    ASSERT_FALSE(this->Read(this->Written(chunk), &back));
    EXPECT_EQ(back.bytes(), chunk.bytes());
    EXPECT_EQ(static_cast<bool>(back), static_cast<bool>(chunk));
  }
}

TYPED_TEST(EveryChunk, IsRefusedWhenDamagedOrCut) {
  const auto whole = this->Written(Made<TypeParam>());
  Chunk<TypeParam> back;
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_TRUE(this->Read({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length)}, &back)) << length;
  auto damaged = whole;  // the root's offset is the first word of the chunk: far outside of it now
  const size_t content = Made<TypeParam>().bytes().size();
  damaged[whole.size() - content + 2] = 0x7f;
  EXPECT_TRUE(this->Read(damaged, &back));
}

TEST_F(WireTest, ContentsAreReadInPlaceAfterwards) {
  flatbuffers::FlatBufferBuilder builder;
  const std::vector<uint8_t> path = {3, 1};
  builder.Finish(schema::CreateEndedDirect(builder, 7, 5, &path, schema::Terminal::Answered, true));
  const EndedChunk ended(std::move(builder));
  EndedChunk back;
  ASSERT_FALSE(Read(Written(ended), &back));
  EXPECT_EQ(back->rollout(), 5u);
  EXPECT_EQ(std::vector<uint8_t>(back->path()->begin(), back->path()->end()), path);
  EXPECT_EQ(back->end(), schema::Terminal::Answered);
  EXPECT_TRUE(back->right());
}

}  // namespace
}  // namespace orrery::actors
