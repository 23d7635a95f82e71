// SPDX-License-Identifier: Apache-2.0
#include "bench/peer.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/paths.h"
#include "model/registry/subprocess.h"

extern char** environ;

namespace orrery::bench {
namespace fs = std::filesystem;
namespace {

StatusOr<fs::path> Script(const std::string& name) { return DataFile("bench/peers/" + name); }

StatusOr<fs::path> Folder() {
  fs::path folder = CacheFolder() / "bench";
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Failed("{}: the folder cannot be made ({})", folder.string(), error.message());
  return folder;
}

// The end of what a peer wrote: the news is there.
std::string LastLines(const std::string& text) {
  constexpr size_t kMost = 600;
  return text.size() > kMost ? "…" + text.substr(text.size() - kMost) : text;
}

}  // namespace

const std::vector<std::string>& PeerNames() {
  static const std::vector<std::string> names = {"llama.cpp", "openvino-genai"};
  return names;
}

StatusOr<fs::path> PeerWeights(const fs::path& python, const fs::path& model, std::string_view type) {
  if (fs::is_directory(model)) {
    return InvalidInput("{}: the peers read GGUF files; a Hugging Face folder cannot be measured beside them",
                        model.string());
  }
  if (type == "file") return model;
  ORRERY_ASSIGN_OR_RETURN(const fs::path folder, Folder());
  // Another file of the same name is another model.
  const uint64_t key =
      fs::file_size(model) ^ static_cast<uint64_t>(fs::last_write_time(model).time_since_epoch().count());
  const fs::path out = folder / fmt::format("{}-{:016x}.{}.gguf", model.stem().string(), key, type);
  if (fs::exists(out)) return out;
  ORRERY_ASSIGN_OR_RETURN(const fs::path script, Script("weights.py"));
  ORRERY_ASSIGN_OR_RETURN(const auto result, model::RunProgram({python.string(), script.string(), model.string(),
                                                                out.string(), "--to", std::string(type)},
                                                               ""));
  if (result.exit_code != 0) {
    return Failed("{} weights.py ended with {}: {}", python.string(), result.exit_code, LastLines(result.errors));
  }
  return out;
}

StatusOr<std::unique_ptr<Peer>> Peer::Start(const PeerOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);  // that a peer has ended is told when its answer is missing
  std::unique_ptr<Peer> peer(new Peer(options.name));
  fs::path script = options.program;
  if (script.empty()) {
    ORRERY_ASSIGN_OR_RETURN(script,
                            Script(options.name == "llama.cpp" ? "llama_cpp_peer.py" : "openvino_genai_peer.py"));
  }
  ORRERY_ASSIGN_OR_RETURN(const fs::path folder, Folder());
  peer->log_ = folder / (options.name + ".log");
  std::vector<std::string> line = {options.python.string(),
                                   script.string(),
                                   options.model.string(),
                                   "--threads",
                                   std::to_string(options.threads),
                                   "--precision",
                                   options.float32 ? "float32" : "bfloat16"};
  for (const std::string& setting : options.settings) line.insert(line.end(), {"--set", setting});
  ORRERY_RETURN_IF_ERROR(peer->Spawn(line));
  ORRERY_ASSIGN_OR_RETURN(const std::string ready, peer->ReadLine());
  const auto json = nlohmann::json::parse(ready, nullptr, false);
  if (!json.is_object() || !json.contains("version"))
    return Failed("{}: its first line is not {{\"peer\", \"version\", …}}: {}", options.name, LastLines(ready));
  peer->version_ = json["version"].get<std::string>();
  return peer;
}

Status Peer::Spawn(const std::vector<std::string>& line) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0) return Failed("{}: no pipe ({})", name_, std::strerror(errno));
  if (pipe2(out, O_CLOEXEC) != 0) {
    close(in[0]);
    close(in[1]);
    return Failed("{}: no pipe ({})", name_, std::strerror(errno));
  }
  to_ = fdopen(in[1], "w");
  from_ = fdopen(out[0], "r");
  std::vector<char*> words;
  for (const auto& word : line) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_addopen(&actions, 2, log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  const int error = posix_spawnp(&process_, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  if (error == 0) return absl::OkStatus();
  process_ = -1;
  return InvalidInput("{}: {} cannot be started ({}); --python=PATH names a Python that has the peers' packages", name_,
                      line[0], std::strerror(error));
}

StatusOr<std::string> Peer::ReadLine() {
  char* text = nullptr;
  size_t room = 0;
  const ssize_t length = getline(&text, &room, from_);
  std::string line = length > 0 ? std::string(text, static_cast<size_t>(length)) : std::string();
  std::free(text);
  if (length > 0) return line;
  int status = 0;
  waitpid(std::exchange(process_, -1), &status, 0);
  const std::string how = WIFSIGNALED(status) ? fmt::format("was killed by signal {}", WTERMSIG(status))
                                              : fmt::format("ended with exit code {}", WEXITSTATUS(status));
  return Failed("{} {}; {} ends: {}", name_, how, log_.string(), LastLines(ReadFile(log_).value_or("")));
}

StatusOr<PeerAnswer> Peer::Run(const Workload& workload) {
  if (process_ < 0) return Failed("{} has ended", name_);
  const std::string line = AsJson(workload) + "\n";
  if (std::fwrite(line.data(), 1, line.size(), to_) != line.size() || std::fflush(to_) != 0)
    return ReadLine().status();  // says how it ended
  ORRERY_ASSIGN_OR_RETURN(const std::string answer, ReadLine());
  const auto json = nlohmann::json::parse(answer, nullptr, false);
  if (!json.is_object() || !json.contains("seconds") || !json.contains("new_tokens"))
    return Failed("{}: an answer with seconds and new_tokens was expected: {}", name_, LastLines(answer));
  PeerAnswer result{.seconds = json["seconds"].get<double>(),
                    .new_tokens = json["new_tokens"].get<uint64_t>(),
                    .prompt_tokens = json.value("prompt_tokens", uint64_t{0}),
                    .settings = json.value("settings", nlohmann::json::object()).dump()};
  if (result.new_tokens != NewTokens(workload))
    return Failed("{}: wrote {} tokens, {} were asked for", name_, result.new_tokens, NewTokens(workload));
  return result;
}

Peer::~Peer() {
  if (to_ != nullptr) std::fclose(to_);
  if (from_ != nullptr) std::fclose(from_);
  if (process_ >= 0) waitpid(process_, nullptr, 0);
}

}  // namespace orrery::bench
