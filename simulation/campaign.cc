// SPDX-License-Identifier: Apache-2.0
#include "simulation/campaign.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "reasoning/seeds.h"
#include "simulation/servers.h"
#include "simulation/tree_walk.h"

namespace orrery::simulation {
namespace {

class Campaign {
 public:
  Campaign(const Profile& profile, const CampaignSetting& setting)
      : profile_(profile),
        setting_(setting),
        sandbox_(clock_, profile.sandbox, Mixed(setting.seed, 11)),
        grader_(clock_, profile.grader, Mixed(setting.seed, 12)),
        journal_(clock_, profile.journal.mean) {
    for (int i = 0; i < std::max(1, setting.devices); ++i) devices_.emplace_back(clock_, profile.device);
  }

  CampaignFigures Run() {
    Admit();
    while (clock_.Step()) {}
    figures_.seconds = clock_.now();
    for (const SimulatedDevice& device : devices_) {
      figures_.batches += device.batches();
      figures_.rows += device.rows();
      figures_.device_busy += device.busy();
    }
    figures_.steps = sandbox_.served();
    figures_.gradings = grader_.served();
    figures_.sandbox_busy = sandbox_.busy();
    figures_.grader_busy = grader_.busy();
    figures_.journal_busy = journal_.busy();
    return figures_;
  }

 private:
  struct Tree {
    uint64_t number = 0;
    size_t device = 0;
    std::optional<TreeWalk> walk;
  };
  // An expansion on its way: what reasoning/expansion_draft.h is to the actors.
  struct Draft {
    Tree* tree;
    int node;
    std::vector<SampleDraw> samples;
    std::map<std::pair<Kind, uint64_t>, size_t> texts;  // to the candidate
    std::vector<Candidate> candidates;
    size_t waiting = 0;  // samples that are written, programs that run, answers that are compared
  };
  using DraftPtr = std::shared_ptr<Draft>;

  void Admit() {
    while (live_.size() < setting_.live_trees && next_ < setting_.problems) {
      const uint64_t number = next_++;
      const std::string level = setting_.levels.empty() ? "" : setting_.levels[number % setting_.levels.size()];
      Tree* tree = live_.emplace(number, std::make_unique<Tree>()).first->second.get();
      tree->number = number;
      tree->device = number % devices_.size();
      tree->walk.emplace(setting_.rules, profile_, reasoning::TreeRandomKey(setting_.seed, std::to_string(number)),
                         level, [this, tree](int node) { Expand(tree, node); });
      tree->walk->Start();
      clock_.After(0, [this, number] { EndIfOver(number); });  // a tree that needs no expansion at all
    }
  }

  void EndIfOver(uint64_t number) {
    const auto tree = live_.find(number);
    if (tree == live_.end() || !tree->second->walk->over()) return;
    figures_.solved += tree->second->walk->solved() ? 1 : 0;
    figures_.rollouts += tree->second->walk->rollouts();
    figures_.done_at.push_back(clock_.now());
    live_.erase(tree);
    Admit();
  }

  void Expand(Tree* tree, int node) {
    const auto draft = std::make_shared<Draft>(Draft{.tree = tree, .node = node});
    ++figures_.expansions;
    Sample(draft, static_cast<int>(std::lround(profile_.device.prompt_rows)));
  }

  void Sample(const DraftPtr& draft, int prompt_rows) {
    const TreeWalk& walk = *draft->tree->walk;
    const int room = std::min(setting_.rules.max_step_tokens, walk.Room(draft->node));
    const size_t first = draft->samples.size();
    std::vector<int> tokens;
    for (int i = 0; i < setting_.rules.candidates; ++i) {
      SampleDraw sample = DrawSample(profile_, walk.problem(), walk.PlaceOf(draft->node), draft->samples.size());
      if (sample.tokens > room) sample.tokens = room, sample.kind = Kind::kLost;
      tokens.push_back(sample.tokens);
      figures_.tokens += static_cast<uint64_t>(sample.tokens);
      draft->samples.push_back(sample);
    }
    figures_.samples += tokens.size();
    draft->waiting += tokens.size();
    devices_[draft->tree->device].Submit(prompt_rows, tokens,
                                         [this, draft, first](size_t number) { Written(draft, first + number); });
  }

  void Written(const DraftPtr& draft, size_t number) {
    const SampleDraw& sample = draft->samples[number];
    const auto [place, fresh] = draft->texts.try_emplace({sample.kind, sample.text}, draft->candidates.size());
    if (!fresh) return Settled(draft);
    const bool valid = IsValid(sample.kind);
    draft->candidates.push_back({.sample = sample, .valid = valid});
    switch (sample.kind) {
      case Kind::kLost: return Settled(draft);
      case Kind::kAnswer: return grader_.Submit([this, draft] { Settled(draft); });
      case Kind::kFailed:
      case Kind::kStep:
      case Kind::kFinal: return sandbox_.Submit([this, draft] { Settled(draft); });
    }
  }

  void Settled(const DraftPtr& draft) {
    if (--draft->waiting > 0) return;
    const auto most = static_cast<size_t>(setting_.rules.candidates * (1 + setting_.rules.resamples));
    const bool any = std::ranges::any_of(draft->candidates, &Candidate::valid);
    if (!any && draft->samples.size() < most) return Sample(draft, 1);
    journal_.Submit([this, draft] { Expanded(draft); });
  }

  void Expanded(const DraftPtr& draft) {
    // In the order of the samples, whichever was written first.
    std::ranges::sort(draft->candidates, {}, [&](const Candidate& candidate) {
      const auto same = [&](const SampleDraw& sample) {
        return sample.kind == candidate.sample.kind && sample.text == candidate.sample.text;
      };
      return std::ranges::find_if(draft->samples, same) - draft->samples.begin();
    });
    Tree* tree = draft->tree;
    tree->walk->Expanded(draft->node, draft->candidates);
    if (!tree->walk->over()) return;
    journal_.Submit([this, number = tree->number] { EndIfOver(number); });
  }

  const Profile& profile_;
  const CampaignSetting& setting_;
  VirtualClock clock_;
  std::deque<SimulatedDevice> devices_;
  SimulatedPool sandbox_, grader_;
  SimulatedJournal journal_;
  std::map<uint64_t, std::unique_ptr<Tree>> live_;  // by problem
  uint64_t next_ = 0;
  CampaignFigures figures_;
};

}  // namespace

CampaignFigures Simulate(const Profile& profile, const CampaignSetting& setting) {
  return Campaign(profile, setting).Run();
}

}  // namespace orrery::simulation
