#include "controller/api/health.hpp"

#include "controller/api/respond.hpp"
#include "controller/api/status.hpp"

namespace gantry::api {

void Health::add(std::string name, bool live, HealthCheck check) {
  checks_.push_back({std::move(name), live, std::move(check)});
}

HttpResponse Health::answer(const HttpRequest& request, const std::string& page, const std::string& name) const {
  std::string report;
  bool well = true, found = false;
  for (const auto& named : checks_) {
    if (page != "readyz" && !named.live) continue;
    if (!name.empty() && named.name != name) continue;
    found = true;
    const std::string problem = named.check();
    well = well && problem.empty();
    report += problem.empty() ? "[+]" + named.name + " ok\n" : "[-]" + named.name + " failed: " + problem + "\n";
  }
  if (!found) throw unknown_path();
  if (!well) return text_response(500, report + page + " check failed\n");
  return text_response(200, request.parameter("verbose") ? report + page + " check passed\n" : std::string("ok"));
}

}  // namespace gantry::api
