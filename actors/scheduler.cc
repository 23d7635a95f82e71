// SPDX-License-Identifier: Apache-2.0
#include "actors/scheduler.h"

#include <utility>

namespace orrery::actors {

void QuietClock::set_ordinary_timeout(time_point t, caf::abstract_actor* self, caf::atom_value type, uint64_t id) {
  any_set_ = true;
  clock_.set_ordinary_timeout(t, self, type, id);
}

void QuietClock::set_request_timeout(time_point t, caf::abstract_actor* self, caf::message_id id) {
  any_set_ = true;
  clock_.set_request_timeout(t, self, id);
}

void QuietClock::set_multi_timeout(time_point t, caf::abstract_actor* self, caf::atom_value type, uint64_t id) {
  any_set_ = true;
  clock_.set_multi_timeout(t, self, type, id);
}

void QuietClock::cancel_ordinary_timeout(caf::abstract_actor* self, caf::atom_value type) {
  if (any_set_) clock_.cancel_ordinary_timeout(self, type);
}

void QuietClock::cancel_request_timeout(caf::abstract_actor* self, caf::message_id id) {
  if (any_set_) clock_.cancel_request_timeout(self, id);
}

void QuietClock::cancel_timeouts(caf::abstract_actor* self) {
  if (any_set_) clock_.cancel_timeouts(self);
}

void QuietClock::schedule_message(time_point t, caf::strong_actor_ptr receiver, caf::mailbox_element_ptr content) {
  clock_.schedule_message(t, std::move(receiver), std::move(content));
}

void QuietClock::schedule_message(time_point t, caf::group target, caf::strong_actor_ptr sender, caf::message content) {
  clock_.schedule_message(t, std::move(target), std::move(sender), std::move(content));
}

}  // namespace orrery::actors
