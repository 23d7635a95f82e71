// SPDX-License-Identifier: Apache-2.0
#include "store/training_sets.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "store/convert.h"

namespace orrery::store {
namespace {

using Json = nlohmann::ordered_json;

Json Begun(std::string_view problem, const schema::TreeRecord& record) {
  Json row;
  row["problem"] = problem;
  row["source"] = GetStringView(record.source());
  row["level"] = GetStringView(record.level());
  row["licence"] = GetStringView(record.licence());
  return row;
}

void Finish(Json row, const SetOptions& options, std::vector<std::string>* rows) {
  row["fingerprint"] = options.texts.fingerprint;
  rows->push_back(row.dump(-1, ' ', false, Json::error_handler_t::replace));
}

int AtMost(const SetOptions& options, const search::Tree& tree) {
  return options.per_problem == 0 ? static_cast<int>(tree.nodes.size()) : options.per_problem;
}

// The right trajectories of the highest mean Q, then the wrong of the lowest.
std::vector<search::Trajectory> Chosen(const search::Tree& tree, int at_most) {
  std::vector<search::Trajectory> chosen = search::BestTrajectories(tree, at_most), wrong = search::Trajectories(tree);
  std::erase_if(wrong, [](const search::Trajectory& trajectory) { return trajectory.right; });
  std::ranges::stable_sort(wrong, std::less(), &search::Trajectory::mean_q);
  if (wrong.size() > static_cast<size_t>(at_most)) wrong.resize(static_cast<size_t>(at_most));
  std::ranges::move(wrong, std::back_inserter(chosen));
  return chosen;
}

void AddSft(Json row, const schema::TreeRecord& record, const search::Tree& tree, const SetOptions& options,
            std::vector<std::string>* rows) {
  for (const search::Trajectory& trajectory : search::BestTrajectories(tree, AtMost(options, tree))) {
    const std::string completion = TrainingText(options.texts, record, trajectory.nodes);
    if (options.messages) {
      row["messages"] = {{{"role", "user"}, {"content", GetStringView(record.question())}},
                         {{"role", "assistant"}, {"content", completion}}};
    } else {
      row["prompt"] = TrainingPrompt(options.texts, record);
      row["completion"] = completion;
    }
    row["answer"] = GetStringView(CandidateOf(record, trajectory.nodes.back())->answer());
    row["mean_q"] = trajectory.mean_q;
    row["min_q"] = trajectory.min_q;
    row["steps"] = trajectory.nodes.size();
    row["failed_steps"] =
        std::ranges::count_if(trajectory.nodes, [&](int i) { return tree.nodes[static_cast<size_t>(i)].tolerated; });
    Finish(row, options, rows);
  }
}

void AddPreferences(Json row, const schema::TreeRecord& record, const search::Tree& tree, const SetOptions& options,
                    std::vector<std::string>* rows) {
  for (const search::PreferencePair& pair : search::PreferencePairs(tree, options.texts.pairs)) {
    const auto side = [&](const std::vector<int>& nodes) {
      return pair.whole ? TrainingText(options.texts, record, nodes)
                        : std::string(GetStringView(CandidateOf(record, nodes.back())->text()));
    };
    row["prompt"] =
        TrainingPrompt(options.texts, record) + (pair.whole ? "" : TrainingText(options.texts, record, pair.prefix));
    row["chosen"] = side(pair.chosen);
    row["rejected"] = side(pair.rejected);
    row["q_chosen"] = pair.q_chosen;
    row["q_rejected"] = pair.q_rejected;
    row["whole"] = pair.whole;
    Finish(row, options, rows);
  }
}

void AddKto(Json row, const schema::TreeRecord& record, const search::Tree& tree, const SetOptions& options,
            std::vector<std::string>* rows) {
  for (const search::Trajectory& trajectory : Chosen(tree, AtMost(options, tree))) {
    row["prompt"] = TrainingPrompt(options.texts, record);
    row["completion"] = TrainingText(options.texts, record, trajectory.nodes);
    row["label"] = trajectory.right;
    row["mean_q"] = trajectory.mean_q;
    Finish(row, options, rows);
  }
}

// Whether a right answer lies at or below each node.
std::vector<bool> LeadsToRight(const search::Tree& tree) {
  std::vector<bool> leads(tree.nodes.size());
  for (size_t i = tree.nodes.size(); i-- > 0;) {  // children come after their parent
    const search::Node& node = tree.nodes[i];
    if (node.right) leads[i] = true;
    if (leads[i] && node.parent >= 0) leads[static_cast<size_t>(node.parent)] = true;
  }
  return leads;
}

void AddStepwise(Json row, const schema::TreeRecord& record, const search::Tree& tree, const SetOptions& options,
                 std::vector<std::string>* rows) {
  const std::vector<bool> leads = LeadsToRight(tree);
  for (const search::Trajectory& trajectory : Chosen(tree, AtMost(options, tree))) {
    row["prompt"] = TrainingPrompt(options.texts, record);
    // Cut where each step ends, so that they join to the whole text: what the engine inserts begins the step after it.
    auto completions = Json::array(), labels = Json::array(), values = Json::array();
    const std::string whole = TrainingText(options.texts, record, trajectory.nodes);
    size_t begin = 0;
    for (const int i : trajectory.nodes) {
      const search::Node& node = tree.nodes[static_cast<size_t>(i)];
      const size_t at = whole.find(node.text, begin), end = at + node.text.size();
      completions.push_back(whole.substr(begin, end - begin));
      labels.push_back(leads[static_cast<size_t>(i)] && !node.tolerated);
      values.push_back(node.q());
      begin = end;
    }
    row["completions"] = completions;
    row["labels"] = labels;
    row["q"] = values;
    row["right"] = trajectory.right;
    Finish(row, options, rows);
  }
}

constexpr Column kPrompt = {"prompt", "string", "what the policy reads: the question in the form of a trained policy"};
constexpr Column kFingerprint = {"fingerprint", "string", "of the campaign: settings, weights, arithmetic"};

}  // namespace

std::vector<Column> ColumnsOf(SetFormat format, bool messages) {
  std::vector<Column> columns = {
      {"problem", "string", "the problem's id in its file"},
      {"source", "string", "where the problem comes from, as its file names it"},
      {"level", "string", "the file's own word for difficulty; may be empty"},
      {"licence", "string", "of the problem's text, as its file names it; empty where it names none"}};
  const auto add = [&](std::initializer_list<Column> more) { columns.insert(columns.end(), more); };
  switch (format) {
    case SetFormat::kSft:
      if (messages) {
        add({{"messages", "list<message>", "the question as the user's turn, a right trajectory as the assistant's"}});
      } else {
        add({kPrompt, {"completion", "string", "a right trajectory: code steps, their output, the answer"}});
      }
      add({{"answer", "string", "the content of its \\boxed{}"},
           {"mean_q", "double", "mean value Q of its steps, in [-1, 1]"},
           {"min_q", "double", "least value Q of its steps"},
           {"steps", "int64", "steps, the answer included"},
           {"failed_steps", "int64", "steps among them that failed and were tolerated"}});
      break;
    case SetFormat::kPreferences:
      add({{"prompt", "string", "the question and the steps that both share"},
           {"chosen", "string", "a step that led to right answers, or a right trajectory"},
           {"rejected", "string", "a step that led to wrong answers, or a wrong trajectory"},
           {"q_chosen", "double", "its value Q; of a trajectory the mean"},
           {"q_rejected", "double", "its value Q; of a trajectory the mean"},
           {"whole", "bool", "whether whole trajectories are compared"}});
      break;
    case SetFormat::kKto:
      add({kPrompt,
           {"completion", "string", "a trajectory: code steps, their output, the answer"},
           {"label", "bool", "whether its answer is right"},
           {"mean_q", "double", "mean value Q of its steps, in [-1, 1]"}});
      break;
    case SetFormat::kStepwise:
      add({kPrompt,
           {"completions", "list<string>", "the steps of a trajectory; joined they are its text"},
           {"labels", "list<bool>",
            "for each step whether a right answer was reached through it; false for one that failed"},
           {"q", "list<double>", "for each step its value Q, in [-1, 1]"},
           {"right", "bool", "whether the trajectory's answer is right"}});
      break;
  }
  columns.push_back(kFingerprint);
  return columns;
}

std::vector<std::string> RowsOf(std::string_view problem, const schema::TreeRecord& record, const search::Tree& tree,
                                const SetOptions& options) {
  std::vector<std::string> rows;
  const Json begun = Begun(problem, record);
  switch (options.format) {
    case SetFormat::kSft: AddSft(begun, record, tree, options, &rows); break;
    case SetFormat::kPreferences: AddPreferences(begun, record, tree, options, &rows); break;
    case SetFormat::kKto: AddKto(begun, record, tree, options, &rows); break;
    case SetFormat::kStepwise: AddStepwise(begun, record, tree, options, &rows); break;
  }
  return rows;
}

}  // namespace orrery::store
