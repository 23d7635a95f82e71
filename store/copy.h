// SPDX-License-Identifier: Apache-2.0
#pragma once

// Copies an expansion from one FlatBuffer into another.

#include "schema/chunk.h"
#include "schema/records_generated.h"

namespace orrery::store {

// The same content gives the same bytes wherever it came from: a missing field stays missing, an empty one empty.
flatbuffers::Offset<schema::Expansion> CopyExpansion(flatbuffers::FlatBufferBuilder& builder,
                                                     const schema::Expansion& from);

// An expansion that lies inside a record, as a buffer of its own.
schema::Chunk<schema::Expansion> ExtractExpansion(const schema::Expansion& from);

}  // namespace orrery::store
