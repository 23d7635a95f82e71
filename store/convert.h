// SPDX-License-Identifier: Apache-2.0
#pragma once

// A finished tree's record as the plain values that search/ works on, and a path through it as text.

#include <string>
#include <vector>

#include "base/status.h"
#include "schema/records_generated.h"
#include "search/tree.h"

namespace orrery::store {

// Views into the record, which must outlive the tree. Corrupt if the record's indices do not make a tree in depth-first
// order.
StatusOr<search::Tree> ToSearchTree(const schema::TreeRecord& record);

// The candidate that led to a node; null for the root. The record must be one that ToSearchTree accepts.
const schema::Candidate* CandidateOf(const schema::TreeRecord& record, int node);

// What the programs of a path printed, all together; steps that failed print nothing.
std::string PrintedBy(const schema::TreeRecord& record, const std::vector<int>& nodes);

// The steps of a path as a policy reads and writes them, the output block after the final code. `nodes` begins at the
// root's child. `output_limit` is the campaign's: bytes of program output that enter a partial solution.
std::string SolutionText(const schema::TreeRecord& record, const std::vector<int>& nodes, size_t output_limit);

}  // namespace orrery::store
