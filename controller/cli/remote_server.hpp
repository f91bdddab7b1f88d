// The API server over HTTPS, found by a kubeconfig as kubectl finds it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "controller/cli/flags.hpp"
#include "controller/cli/server.hpp"

namespace gantry::cli {

using Environment = std::function<std::optional<std::string>(const std::string&)>;

// Reads the kubeconfig that --kubeconfig, $KUBECONFIG or ~/.kube/config name, and the context of --context. Connects
// when the first request is sent, and keeps the connection. Throws Error when the file says nothing usable.
std::unique_ptr<Server> connect_by_kubeconfig(const Flags& flags, const Environment& environment,
                                              const std::string& home);

}  // namespace gantry::cli
