#include <string_view>

#include "controller/cli/remote_server.hpp"

namespace gantry::cli {

std::vector<std::string> kubeconfig_files(const Flags& flags, const Environment& environment, const std::string& home) {
  if (const std::string file = flags.text("kubeconfig"); !file.empty()) return {file};
  std::vector<std::string> files;
  const std::string listed = environment("KUBECONFIG").value_or("");
  for (std::string_view rest = listed; !rest.empty();) {
    const std::size_t colon = rest.find(':');
    if (colon != 0) files.emplace_back(rest.substr(0, colon));
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  }
  if (files.empty()) files.push_back(home + "/.kube/config");
  return files;
}

}  // namespace gantry::cli
