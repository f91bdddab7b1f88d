// Where a relay listens, and how a new one takes the place of one that runs: it is given the sockets themselves and the
// lock, so that not a single connection is refused in between. The old one finishes what it has, tells meanwhile what
// that is, and ends. Blocking, for a moment.
#pragma once

#include <array>
#include <optional>
#include <string>

namespace gantry::providers::relay {

// Descriptors, owned by whoever holds this.
struct Place {
  int lock = -1;
  int control = -1;   // DIR/control.sock, listening
  int requests = -1;  // DIR/relay.sock, listening
};

// Nothing when another relay has it. Throws Error(Unavailable) when the sockets cannot be made.
std::optional<Place> open_place(const std::string& folder);

struct TakenPlace {
  Place place;
  int connection = -1;  // to the relay that had it: lines of its state, until its last request is over
};
// Throws Error(Unavailable) when it does not give it.
TakenPlace take_place(const std::string& folder);

// The other side of that. False when nothing was given.
bool give_place(int connection, const Place& place);

}  // namespace gantry::providers::relay
