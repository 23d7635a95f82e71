// SPDX-License-Identifier: Apache-2.0
#pragma once

// A pool with its workers' own interface: it holds requests in order of arrival and gives each idle worker one at a
// time.
//
// Workers block (a step runs, a comparison runs), so each has a thread of its own. An answer that says "the worker
// failed" sends the request to another worker, a few times; only then does the requester hear an error, and never a
// verdict about its content. A worker that is gone gets no more requests; with the last one all end in that error. The
// queue is bounded by admission: live trees × wave × candidates.

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/interfaces.h"
#include "actors/meters.h"
#include "actors/promise.h"

namespace orrery::actors {

// What makes a pool of one kind of worker.
struct SandboxWork {
  using Actor = sandbox_actor;
  using Atom = atom::run;
  using Request = RunChunk;
  using Answer = RanChunk;
  static constexpr const char* kName = "sandbox_pool";
  static constexpr Kind kKind = Kind::kSandboxPool;
  static constexpr Kind kWorker = Kind::kSandbox;
  // Empty, or why the answer is none.
  static std::string Failure(const Answer& answer);
};

struct GraderWork {
  using Actor = grader_actor;
  using Atom = atom::grade;
  using Request = GradeAnswerChunk;
  using Answer = GradedChunk;
  static constexpr const char* kName = "grader_pool";
  static constexpr Kind kKind = Kind::kGraderPool;
  static constexpr Kind kWorker = Kind::kGrader;
  static std::string Failure(const Answer& answer);
};

template <class Work>
struct pool_state {
  static inline constexpr const char* name = Work::kName;
  static constexpr int kTries = 4;
  struct Job {
    typename Work::Request request;
    Promise<typename Work::Answer> promise;
    int tries = 0;
  };

  typename Work::Actor::pointer self = nullptr;
  Meters* meters = nullptr;
  std::deque<typename Work::Actor> idle;  // the next one last
  size_t workers = 0;                     // that are not gone
  std::deque<Job> queue;
  Alive alive;

  caf::result<typename Work::Answer> Take(const typename Work::Request& request) {
    queue.push_back(
        {request, Promise<typename Work::Answer>(self->template make_response_promise<typename Work::Answer>())});
    Dispatch();
    return caf::delegated<typename Work::Answer>();
  }

  void Dispatch() {
    while (!idle.empty() && !queue.empty()) {
      auto worker = std::move(idle.back());
      idle.pop_back();
      auto job = std::make_shared<Job>(std::move(queue.front()));
      queue.pop_front();
      meters->Sent(Work::kWorker);
      self->request(worker, caf::infinite, typename Work::Atom{}, job->request)
          .then(
              [this, job, worker](const typename Work::Answer& answer) {
                meters->Answered(Work::kKind);
                const std::string failure = Work::Failure(answer);
                // One that failed comes last, so that the job goes elsewhere.
                failure.empty() ? idle.push_back(worker) : idle.push_front(worker);
                failure.empty() ? job->promise.Deliver(answer) : Again(std::move(*job), failure);
                Dispatch();
              },
              [this, job](const caf::error& error) {  // the worker is gone
                --workers;
                Again(std::move(*job), Words(error));
                Dispatch();
              });
    }
    for (; workers == 0 && !queue.empty(); queue.pop_front())
      queue.front().promise.Fail(WordedError(std::string(Work::kName) + ": no worker is left"));
    meters->of(Work::kKind).held.store(static_cast<int64_t>(queue.size()), std::memory_order_relaxed);
  }

  void Again(Job job, const std::string& failure) {
    meters->of(Work::kKind).failed.fetch_add(1, std::memory_order_relaxed);
    if (++job.tries < kTries) return queue.push_front(std::move(job));
    job.promise.Fail(
        WordedError(std::string(Work::kName) + ": failed " + std::to_string(kTries) + " times, last: " + failure));
  }
};

// `workers` are spawned by the caller, each on a thread of its own.
template <class Work>
typename Work::Actor::behavior_type pool(typename Work::Actor::template stateful_pointer<pool_state<Work>> self,
                                         std::vector<typename Work::Actor> workers, Meters* meters) {
  auto& state = self->state;
  state.self = self;
  state.meters = meters;
  state.workers = workers.size();
  state.idle.assign(workers.begin(), workers.end());
  Meter& meter = meters->of(Work::kKind);
  state.alive = Alive(meter);
  return {
      [self, &meter](typename Work::Atom, const typename Work::Request& request) -> caf::result<typename Work::Answer> {
        Probe probe(meter, request->sent());
        return self->state.Take(request);
      },
  };
}

}  // namespace orrery::actors
