// Objects and events laid out for people.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/json.hpp"
#include "controller/cli/style.hpp"

namespace gantry::cli {

// Metadata, then every other field, then the conditions as a table. Values of Secrets are only measured.
void print_description(std::ostream& out, const json::Value& object, const Clock& clock, const Style& style);

// "Events:" as describe ends with them, oldest first; "Events:  <none>" when there are none.
// The last calls to a provider that were about the object; nothing when there were none.
void print_call_table(std::ostream& out, const json::Value& calls, const Clock& clock, const Style& style);
void print_event_table(std::ostream& out, std::vector<json::Value> events, const Clock& clock, const Style& style);

// When an event was last seen: lastTimestamp, else eventTime, else creationTimestamp. RFC 3339, so it can be ordered.
std::string last_seen(const json::Value& event);
// Oldest first; of the same second, in the order in which they were written.
void sort_events(std::vector<json::Value>& events);
// "3m (x4 over 5m)"
std::string event_age(const json::Value& event, const Clock& clock);

// "maxSurge" -> "Max Surge", "observedGeneration" -> "Observed Generation".
std::string words_of(std::string_view field);

}  // namespace gantry::cli
