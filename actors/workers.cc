// SPDX-License-Identifier: Apache-2.0
#include "actors/workers.h"

#include <utility>

#include "schema/builder.h"
#include "store/recorded_steps.h"

namespace orrery::actors {
namespace {

sandbox::Step StepOf(const schema::RunStep& step) { return {.code = step.code()->str(), .seed = step.seed()}; }

RanChunk Run(sandbox::Sandbox& sandbox, const schema::Run& message) {
  sandbox::StepRequest request;
  if (message.parents() != nullptr) {
    for (const auto* parent : *message.parents()) request.parents.push_back(StepOf(*parent));
  }
  request.step = StepOf(*message.step());
  const sandbox::StepResult result = sandbox.Run(request);
  schema::Builder builder;
  const auto output = builder.CreateString(result.output);
  const auto error = builder.CreateString(result.error);
  builder.Finish(schema::CreateRan(builder, store::RecordVerdict(result.verdict), output, error, result.cpu_seconds,
                                   result.wall_seconds, static_cast<uint32_t>(result.steps_executed)));
  return RanChunk(std::move(builder));
}

}  // namespace

sandbox_actor::behavior_type sandbox_worker(sandbox_actor::stateful_pointer<sandbox_state> self,
                                            std::shared_ptr<sandbox::Sandbox> sandbox, Meters* meters) {
  self->state.sandbox = std::move(sandbox);
  Meter& meter = meters->of(Kind::kSandbox);
  self->state.alive = Alive(meter);
  return {
      [self, &meter](atom::run, const RunChunk& request) {
        Probe probe(meter, request->sent());
        return Run(*self->state.sandbox, *request);
      },
  };
}

grader_actor::behavior_type grader_worker(grader_actor::stateful_pointer<grader_state> self,
                                          std::shared_ptr<reasoning::Grader> grader, Meters* meters) {
  self->state.grader = std::move(grader);
  Meter& meter = meters->of(Kind::kGrader);
  self->state.alive = Alive(meter);
  return {
      [self, &meter](atom::grade, const GradeAnswerChunk& request) {
        Probe probe(meter, request->sent());
        const auto grade = self->state.grader->Compare(request->reference()->str(), request->answer()->str());
        schema::Builder builder;
        builder.Finish(schema::CreateGraded(builder, store::RecordGrade(grade)));
        return GradedChunk(std::move(builder));
      },
  };
}

}  // namespace orrery::actors
