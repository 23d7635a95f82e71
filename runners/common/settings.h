// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a resolved configuration to the plain options of each folder; the presets' values fill the keys that nobody set.

#include "model/endpoint/endpoint.h"
#include "model/engine.h"
#include "model/source/model_source.h"
#include "reasoning/grader.h"
#include "reasoning/problem.h"
#include "reasoning/prompt.h"
#include "sandbox/sandbox.h"
#include "schema/config.h"
#include "search/rules.h"

namespace orrery::runners {

// The configuration with search.preset's values where no file or flag gave one.
StatusOr<schema::ResolvedConfig> ApplyPreset(const schema::ResolvedConfig& config);

search::Rules RulesOf(const schema::SearchConfig& config);
reasoning::StepForm StepsOf(const schema::SearchConfig& config);
// search.prompt_file if one is given, else the built-in one of search.prompt, in the turns of search.chat_format or of
// the model's own template. `model` is null where its files are not at hand.
StatusOr<reasoning::PromptTemplate> PromptOf(const schema::SearchConfig& config, const model::ModelSource* model);
// Whether a server writes the steps instead of a model here.
bool HasEndpoint(const schema::Config& config);
// The key comes from the environment.
StatusOr<model::EndpointOptions> EndpointOptionsOf(const schema::Config& config);
// `device`: the number of the GPU, where model.device asks for GPUs.
model::EngineOptions EngineOptionsOf(const schema::Config& config, int device = 0);
model::EngineOptions PpmOptionsOf(const schema::Config& config, int device = 0);
// The turns of search.chat_format or of the model's own template.
StatusOr<reasoning::ChatFormat> ChatFormatOf(const schema::SearchConfig& config, const model::ModelSource* model);
sandbox::SandboxOptions SandboxOptionsOf(const schema::SandboxConfig& config);
reasoning::GraderOptions GraderOptionsOf(const schema::GraderConfig& config);
StatusOr<reasoning::ProblemSet> LoadProblemsOf(const schema::Config& config);

// 0 in the configuration stands for one for each core that this process may use.
int Threads(uint32_t configured);

// The parts of a list that commas part; a comma at its end parts nothing.
std::vector<std::string> ListOf(const std::string& list);

// A file as the caller means it; where the caller has no such file, the program's own
// (configs/problems/quickstart.jsonl).
std::filesystem::path CallerOrOwnFile(std::string_view path);

}  // namespace orrery::runners
