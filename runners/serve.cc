// SPDX-License-Identifier: Apache-2.0

// The engine as an OpenAI-compatible server, for the endpoint policy of a campaign elsewhere and for any client of that
// interface.

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <cstdlib>

#include "base/paths.h"
#include "model/registry/registry.h"
#include "runners/common/settings.h"
#include "runners/common/stop.h"
#include "runners/serving/http.h"
#include "schema/flags.h"

namespace orrery::runners {
namespace {

constexpr schema::ShortForm kForms[] = {
    {"--model", "model.name", "NAME|PATH", "the language model"},
    {"--listen", "serve.listen", "ADDRESS:PORT", "where to listen"},
    {"--threads", "run.threads", "N", "threads that compute"},
};

StatusOr<ServeOptions> OptionsOf(const schema::ServeConfig& config) {
  const auto file = [](const flatbuffers::String* path) {
    return path->size() == 0 ? std::filesystem::path() : CallerPath(path->str());
  };
  ServeOptions options;
  options.listen = config.listen()->str();
  options.certificate = file(config.certificate());
  options.private_key = file(config.private_key());
  options.most_choices = config.choices();
  options.body_bytes = config.body_bytes();
  options.grace_seconds = config.grace_seconds();
  const std::string variable = config.token_variable()->str();
  const char* token = variable.empty() ? nullptr : std::getenv(variable.c_str());
  if (token == nullptr) return options;
  options.token = token;
  if (options.token.empty())
    return InvalidInput("{}: the token is empty; unset the variable to serve without one", variable);
  return options;
}

std::string NameOf(const schema::Config& config) {
  if (config.serve()->name()->size() > 0) return config.serve()->name()->str();
  return std::filesystem::path(config.model()->name()->str()).filename();
}

Status Serve(const schema::Flags& flags) {
  ORRERY_ASSIGN_OR_RETURN(const auto config, flags.Load());
  ORRERY_ASSIGN_OR_RETURN(const ServeOptions options, OptionsOf(*config->serve()));
  ORRERY_ASSIGN_OR_RETURN(const auto registry, model::Registry::Load());
  model::FetchOptions fetch;
  fetch.progress = !flags.quiet;
  ORRERY_ASSIGN_OR_RETURN(const auto path, model::LocateModel(registry, config->model()->name()->string_view(), fetch));
  ORRERY_ASSIGN_OR_RETURN(const auto source, model::ModelSource::Open(path));
  const auto format = ChatFormatOf(*config->search(), source.get());
  if (!format.ok()) fmt::print(stderr, "serve: no chats: {}\n", Message(format.status()));
  ORRERY_ASSIGN_OR_RETURN(auto engine, model::Engine::Load(path, EngineOptionsOf(*config)));
  ServedModel served;
  served.name = NameOf(*config);
  served.tokenizer = &engine->tokenizer();
  served.context_length = engine->context_length();
  if (format.ok()) served.chat_format = *format;
  if (const auto text = source->ChatTemplate(); text.ok() && served.chat_format == reasoning::ChatFormat::kChatMl)
    served.default_system = reasoning::DefaultSystem(*text);
  ORRERY_ASSIGN_OR_RETURN(const auto server, Server::Listen(options, served, std::move(engine)));
  fmt::print("{} serves {}\n", server->url(), served.name);
  std::fflush(stdout);
  return server->Run(StopRequested);
}

int Main(int argc, char** argv) {
  CLI::App app("Serves a model to clients of OpenAI's completions and chat completions.", "serve");
  schema::Flags flags;
  flags.AddTo(app, "configs/quickstart.json", kForms);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  CatchStopSignals();
  const Status status = Serve(flags);
  if (!status.ok()) fmt::print(stderr, "serve: {}\n", Message(status));
  return ExitCode(status);
}

}  // namespace
}  // namespace orrery::runners

int main(int argc, char** argv) { return orrery::runners::Main(argc, argv); }
