// SPDX-License-Identifier: Apache-2.0
#include "model/placement.h"

#include <iterator>

#include "kernels/kernels.h"

namespace orrery::model {
namespace {

constexpr int64_t kUnknownPages = 4096;

uint64_t Mixed(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15;
  hash = (hash ^ (hash >> 32)) * 0xD6E8FEB86659FD93;
  return hash ^ (hash >> 32);
}

// Of each whole page, with all that comes before it.
std::vector<uint64_t> PagesOf(std::span<const TokenId> prompt) {
  std::vector<uint64_t> pages;
  uint64_t hash = 0;
  for (size_t i = 0; i < prompt.size(); ++i) {
    hash = Mixed(hash, static_cast<uint32_t>(prompt[i]));
    if ((i + 1) % kernels::kPageTokens == 0) pages.push_back(hash);
  }
  return pages;
}

}  // namespace

Placement::Placement(const std::vector<uint64_t>& pages) : engines_(pages.size()) {
  for (size_t i = 0; i < pages.size(); ++i)
    engines_[i].most = pages[i] == 0 ? kUnknownPages : static_cast<int64_t>(pages[i]);
}

int64_t Placement::Known::Matched(const std::vector<uint64_t>& pages) const {
  int64_t matched = 0;
  while (matched < std::ssize(pages) && places.contains(pages[static_cast<size_t>(matched)])) ++matched;
  return matched;
}

void Placement::Known::Note(uint64_t page) {
  if (const auto found = places.find(page); found != places.end()) {
    latest.splice(latest.begin(), latest, found->second);
    return;
  }
  places[page] = latest.insert(latest.begin(), page);
  if (std::ssize(latest) <= most) return;
  places.erase(latest.back());
  latest.pop_back();
}

Placement::Place Placement::Take(std::span<const TokenId> prompt) {
  const std::vector<uint64_t> pages = PagesOf(prompt);
  Place place;
  int64_t best = 0;
  for (size_t i = 0; i < engines_.size(); ++i) {
    const int64_t fresh = std::ssize(pages) - engines_[i].Matched(pages), taken = fresh + 1;
    const int64_t worth = engines_[i].most - engines_[i].held - taken - kPageCost * fresh;
    if (i > 0 && worth <= best) continue;
    best = worth;
    place = {i, taken};
  }
  Known& chosen = engines_[place.engine];
  chosen.held += place.pages;
  // The first page last: the begin that most prompts share is the last to be forgotten.
  for (auto page = pages.rbegin(); page != pages.rend(); ++page) chosen.Note(*page);
  return place;
}

void Placement::GiveBack(const Place& place) { engines_[place.engine].held -= place.pages; }

}  // namespace orrery::model
