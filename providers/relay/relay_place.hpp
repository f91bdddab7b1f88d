// Where a relay listens, and how a new one takes the place of one that runs: it is given the sockets themselves and the
// lock, so that not a single connection is refused in between. The old one finishes what it has, tells meanwhile what
// that is, and ends. Blocking, for a moment.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace gantry::providers::relay {

// Descriptors, owned by whoever holds this.
struct Place {
  int lock = -1;
  int control = -1;   // DIR/control.sock, listening
  int requests = -1;  // a relay's DIR/relay.sock, or the port of a tunnel's end; listening
};

// Nothing when another has it. `listen` makes the socket for requests. Throws Error(Unavailable) when the sockets
// cannot be made.
std::optional<Place> open_place(const std::string& folder, const std::function<int()>& listen);
// A Unix socket for this account alone.
int listen_on(const std::string& path);
// A port of that address; 0: any. Throws Error(Unavailable) with the system's reason.
int listen_on(const std::string& address, int port);
int port_of(int descriptor);

struct TakenPlace {
  Place place;
  int connection = -1;  // to the relay that had it: lines of its state, until its last request is over
};
// Throws Error(Unavailable) when it does not give it.
TakenPlace take_place(const std::string& folder);

// The other side of that. False when nothing was given.
bool give_place(int connection, const Place& place);

}  // namespace gantry::providers::relay
