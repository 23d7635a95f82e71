// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/export.h"

#include <fmt/format.h>

#include <map>
#include <memory>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "base/paths.h"
#include "runners/common/training_prompt.h"
#include "runners/store_commands/data_card.h"
#include "runners/store_commands/row_sink.h"
#include "runners/store_commands/run_store.h"

namespace orrery::runners {
namespace {

constexpr std::string_view kReadingRecords =
    "Every finished search as it lies in the store, in the order of the problems' keys: four bytes, little end first, "
    "that say how long the record is, then the record, a FlatBuffer whose root is `orrery.schema.TreeRecord`. "
    "`records_generated.py` are its bindings for Python: they need the package `flatbuffers` alone. "
    "docs/examples/read_records.py reads it.\n";

StatusOr<store::SetFormat> FormatOf(const std::string& name) {
  static const std::map<std::string, store::SetFormat> formats = {{"sft", store::SetFormat::kSft},
                                                                  {"preferences", store::SetFormat::kPreferences},
                                                                  {"kto", store::SetFormat::kKto},
                                                                  {"stepwise", store::SetFormat::kStepwise}};
  const auto found = formats.find(name);
  if (found == formats.end())
    return InvalidInput("--format {}: expected sft, preferences, kto, stepwise or records", name);
  return found->second;
}

std::string CommandText(const ExportCommand& command) {
  std::string text = fmt::format("store export RUN --format={}", command.format);
  if (command.parquet) text += " --parquet";
  if (command.messages) text += " --messages";
  if (command.per_problem >= 0) text += fmt::format(" --per-problem={}", command.per_problem);
  return text;
}

Status CheckFlags(const ExportCommand& command) {
  if (command.messages && command.format != "sft") return InvalidInput("--messages: only with --format=sft");
  const bool trajectories = command.format == "sft" || command.format == "kto" || command.format == "stepwise";
  if (command.per_problem >= 0 && !trajectories)
    return InvalidInput("--per-problem: only with --format=sft, kto or stepwise");
  if (command.parquet && command.format == "records")
    return InvalidInput("--parquet: records are FlatBuffers; expected another --format");
  return absl::OkStatus();
}

Status MakeFolder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return InvalidInput("{}: the folder cannot be made ({})", folder.string(), error.message());
  return absl::OkStatus();
}

// What one problem's tree adds to the file; how many rows that were.
using Add =
    std::function<StatusOr<uint64_t>(std::string_view key, const store::TreeChunk& tree, const search::Tree& plain)>;

Status AddTrees(const store::Store& store, const Add& add, DataCard* card) {
  Status failure;
  ORRERY_ASSIGN_OR_RETURN(
      card->unreadable,
      VisitTrees(store, [&](std::string_view key, const store::TreeChunk& tree, const search::Tree& plain) {
        const auto rows = add(key, tree, plain);
        failure = rows.status();
        if (!rows.ok()) return false;
        DataCard::Origin& origin = card->origins[{GetString(tree->source()), GetString(tree->licence())}];
        ++origin.problems;
        origin.with_rows += *rows > 0 ? 1 : 0;
        origin.rows += *rows;
        ++card->problems;
        card->rows += *rows;
        return true;
      }));
  return failure;
}

Status ExportRows(const ExportCommand& command, const store::Store& store, const std::filesystem::path& file,
                  DataCard* card) {
  store::SetOptions options;
  ORRERY_ASSIGN_OR_RETURN(options.format, FormatOf(command.format));
  options.texts.fingerprint = store.fingerprint();
  options.texts.prompt = TrainingPrompt;
  options.texts.output_limit = kOutputLimit;
  options.messages = command.messages;
  const int otherwise = options.format == store::SetFormat::kSft ? options.texts.best_trajectories : 0;
  options.per_problem = command.per_problem >= 0 ? command.per_problem : otherwise;
  card->columns = store::ColumnsOf(options.format, options.messages);
  ORRERY_ASSIGN_OR_RETURN(const auto sink,
                          command.parquet ? RowSink::Parquet(file, card->columns) : RowSink::JsonLines(file));
  const Add add = [&](std::string_view key, const store::TreeChunk& tree,
                      const search::Tree& plain) -> StatusOr<uint64_t> {
    const auto rows = store::RowsOf(ProblemId(key), *tree, plain, options);
    for (const std::string& row : rows) ORRERY_RETURN_IF_ERROR(sink->Write(row));
    return rows.size();
  };
  ORRERY_RETURN_IF_ERROR(AddTrees(store, add, card));
  return sink->Commit();
}

Status ExportRecords(const store::Store& store, const std::filesystem::path& out, const std::filesystem::path& file,
                     DataCard* card) {
  ORRERY_ASSIGN_OR_RETURN(const auto bindings, DataFile("schema/records_generated.py"));
  ORRERY_ASSIGN_OR_RETURN(const std::string code, ReadFile(bindings));
  ORRERY_RETURN_IF_ERROR(WriteFileAtomically(out / "records_generated.py", code));
  card->reading = kReadingRecords;
  ORRERY_ASSIGN_OR_RETURN(AtomicFile records, AtomicFile::Create(file));
  const Add add = [&](std::string_view, const store::TreeChunk& tree, const search::Tree&) -> StatusOr<uint64_t> {
    const auto size = static_cast<uint32_t>(tree.bytes().size());
    std::string length;
    for (int shift = 0; shift < 32; shift += 8) length += static_cast<char>(size >> shift);
    ORRERY_RETURN_IF_ERROR(records.Write(length));
    ORRERY_RETURN_IF_ERROR(records.Write(tree.bytes()));
    return 1;
  };
  ORRERY_RETURN_IF_ERROR(AddTrees(store, add, card));
  return records.Commit();
}

}  // namespace

StatusOr<int> ExportStore(const ExportCommand& command) {
  ORRERY_RETURN_IF_ERROR(CheckFlags(command));
  const bool records = command.format == "records";
  if (!records) ORRERY_RETURN_IF_ERROR(FormatOf(command.format).status());
  ORRERY_ASSIGN_OR_RETURN(const auto store, OpenRun(command.run, store::OnDamage::kPassOver));
  const auto out = command.out.empty() ? command.run / "export" / command.format : command.out;
  ORRERY_RETURN_IF_ERROR(MakeFolder(out));
  DataCard card;
  card.title = command.format;
  card.file = records ? "records.bin" : command.parquet ? "train.parquet" : "train.jsonl";
  card.command = CommandText(command);
  card.fingerprint = store->fingerprint();
  const auto file = out / card.file;
  ORRERY_RETURN_IF_ERROR(records ? ExportRecords(*store, out, file, &card) : ExportRows(command, *store, file, &card));
  ORRERY_ASSIGN_OR_RETURN(card.sha256, Sha256HexOfFile(file));
  ORRERY_RETURN_IF_ERROR(WriteFileAtomically(out / "README.md", CardText(card, command.run)));
  fmt::print("{}: {} rows from {} problems\n", file.string(), card.rows, card.problems);
  return card.unreadable == 0 ? 0 : 1;
}

}  // namespace orrery::runners
