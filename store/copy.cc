// SPDX-License-Identifier: Apache-2.0
#include "store/copy.h"

#include <vector>

#include "schema/builder.h"

namespace orrery::store {

using schema::Candidate;
using schema::Expansion;

namespace {

flatbuffers::Offset<Candidate> CopyCandidate(flatbuffers::FlatBufferBuilder& builder, const Candidate& from) {
  const auto text = builder.CreateString(from.text());
  const auto code = builder.CreateString(from.code());
  const auto rejection = builder.CreateString(from.rejection());
  const auto output = builder.CreateString(from.output());
  const auto error = builder.CreateString(from.error());
  const auto answer = builder.CreateString(from.answer());
  return schema::CreateCandidate(builder, text, from.kind(), code, from.valid(), rejection, from.merged(),
                                 from.tokens(), from.log_probability(), from.verdict(), output, error, answer,
                                 from.grade(), from.tolerated_errors(), from.score());
}

}  // namespace

flatbuffers::Offset<Expansion> CopyExpansion(flatbuffers::FlatBufferBuilder& builder, const Expansion& from) {
  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<Candidate>>> candidates;
  if (from.candidates() != nullptr) {
    std::vector<flatbuffers::Offset<Candidate>> copies;
    copies.reserve(from.candidates()->size());
    for (const Candidate* candidate : *from.candidates()) copies.push_back(CopyCandidate(builder, *candidate));
    candidates = builder.CreateVector(copies);
  }
  const auto problem = builder.CreateString(from.problem());
  flatbuffers::Offset<flatbuffers::Vector<uint8_t>> path;
  if (from.path() != nullptr) path = builder.CreateVector(from.path()->data(), from.path()->size());
  return schema::CreateExpansion(builder, problem, path, candidates, from.tokens_generated(), from.steps_executed());
}

schema::Chunk<Expansion> ExtractExpansion(const Expansion& from) {
  schema::Builder builder;
  builder.Finish(CopyExpansion(builder, from));
  return schema::Chunk<Expansion>(std::move(builder));
}

}  // namespace orrery::store
