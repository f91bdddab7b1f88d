#include "reconcilers/app/admission.hpp"

#include <algorithm>
#include <map>

namespace gantry::reconcilers::app {
namespace {

const json::Array& list_of(const json::Value& app, std::string_view field) {
  static const json::Array none;
  const json::Value* list = app.at({"spec", field});
  return list && list->is_array() ? list->as_array() : none;
}

std::string name_of(const json::Value& app) {
  const json::Value* metadata = app.find("metadata");
  return metadata ? metadata->string_or("namespace") + "/" + metadata->string_or("name") : "";
}

std::string at(std::string_view list, std::size_t index, std::string_view field = {}) {
  return "spec." + std::string(list) + "[" + std::to_string(index) + "]" + (field.empty() ? "" : ".") +
         std::string(field);
}

FieldError invalid(std::string field, const std::string& value, const std::string& why) {
  return {"FieldValueInvalid", std::move(field), "Invalid value: \"" + value + "\": " + why};
}

std::string path_of(const json::Value& route) {
  std::string path = route.string_or("path", "/");
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::string mode_of(const json::Value& route) {
  const json::Value* mode = route.at({"tls", "mode"});
  return mode && mode->is_string() ? mode->as_string() : "acme";
}

bool has_port(const json::Value& app, const json::Value& wanted) {
  return std::ranges::any_of(list_of(app, "ports"), [&](const json::Value& port) {
    if (port.string_or("protocol", "TCP") != "TCP") return false;
    return wanted.is_string() ? port.string_or("name") == wanted.as_string()
                              : port.int_or("port", 0) == wanted.as_int();
  });
}

void check_cors(const json::Value& cors, const std::string& field, std::vector<FieldError>& causes) {
  const json::Value* origins = cors.find("allowOrigins");
  const json::Value* elsewhere = cors.find("allowOriginsFrom");
  const auto some = [](const json::Value* list) { return list && list->is_array() && !list->as_array().empty(); };
  if (!some(origins) && !some(elsewhere)) {
    causes.push_back({"FieldValueRequired", field + ".allowOrigins",
                      "Required value: which origins may? https://example.org, or *"});
    return;
  }
  const json::Array list = some(origins) ? origins->as_array() : json::Array();
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string& origin = list[i].as_string();
    const std::string where = field + ".allowOrigins[" + std::to_string(i) + "]";
    if (origin == "*") {
      if (cors.bool_or("allowCredentials", false))
        causes.push_back(invalid(where, origin, "browsers refuse * together with allowCredentials; name the origins"));
      continue;
    }
    if (!is_origin(origin))
      causes.push_back(invalid(where, origin, "an origin is a scheme, a name and maybe a port: https://example.org"));
  }
  const json::Value* headers = cors.find("allowHeaders");
  for (const auto& header : headers && headers->is_array() ? headers->as_array() : json::Array()) {
    if (header.as_string().find_first_of("{}\r\n\" ") != std::string::npos)
      causes.push_back(invalid(field + ".allowHeaders", header.as_string(), "it is no name of a header"));
  }
}

void check_routes(const json::Value& app, std::vector<FieldError>& causes) {
  const json::Array& routes = list_of(app, "routes");
  std::map<std::string, std::size_t> seen;
  std::map<std::string, std::string> modes;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const json::Value& route = routes[i];
    const std::string host = route.string_or("host");
    const std::string path = path_of(route);
    if (path.find_first_of("{}*?# \"%\\") != std::string::npos)
      causes.push_back(invalid(at("routes", i, "path"), path, "a prefix of plain characters, such as /api"));
    const auto [first, fresh] = seen.try_emplace(host + path, i);
    if (!fresh)
      causes.push_back(invalid(at("routes", i), host + path, "it is the same as " + at("routes", first->second)));
    if (const json::Value* port = route.find("port"); port && !has_port(app, *port)) {
      causes.push_back(invalid(at("routes", i, "port"), port->is_string() ? port->as_string() : json::dump(*port),
                               "spec.ports has no such TCP port"));
    } else if (!port && list_of(app, "ports").empty()) {
      causes.push_back({"FieldValueRequired", "spec.ports", "Required value: a route leads to a port of the App"});
    }
    const std::string mode = mode_of(route);
    const bool has_secret = route.at({"tls", "secretRef"}) != nullptr;
    if (mode == "secret" && !has_secret) {
      causes.push_back({"FieldValueRequired", at("routes", i, "tls.secretRef"),
                        "Required value: the Secret with tls.crt and tls.key"});
    } else if (mode != "secret" && has_secret) {
      causes.push_back(invalid(at("routes", i, "tls.mode"), mode, "with secretRef the mode is secret"));
    }
    if (mode == "acme" && host.starts_with("*.")) {
      causes.push_back(invalid(at("routes", i, "tls.mode"), mode,
                               "a wildcard's certificate needs a DNS challenge, which is not made here; use secret or "
                               "internal"));
    }
    if (mode != "none") {
      const auto [known, added] = modes.try_emplace(host, mode);
      if (!added && known->second != mode)
        causes.push_back(
            invalid(at("routes", i, "tls.mode"), mode,
                    "another route of " + host + " has mode " + known->second + "; a name has one certificate"));
    }
    if (const json::Value* cors = route.find("cors")) check_cors(*cors, at("routes", i, "cors"), causes);
  }
}

// One after the other, so that what only one can have is needed by one at a time.
bool starts_none_beside(const std::string& type, const json::Value& strategy) {
  const json::Value* surge = strategy.find("maxSurge");
  return type == "RollingUpdate" && surge && (*surge == json::Value(0) || *surge == json::Value("0%"));
}

// On how many hosts its replicas may be.
std::int64_t hosts_for(const json::Value& app) {
  const json::Value* servers = app.at({"spec", "placement", "servers"});
  return servers && servers->is_array()
             ? std::max<std::int64_t>(1, static_cast<std::int64_t>(servers->as_array().size()))
             : 1;
}

void check_fixed_port(const json::Value& app, const json::Value& port, const json::Value& strategy,
                      std::int64_t replicas, std::vector<FieldError>& causes) {
  const auto fixed = port.int_or("hostPort", 0);
  if (fixed == 0) return;
  const std::string type = strategy.string_or("type", "RollingUpdate");
  const bool udp = port.string_or("protocol", "TCP") == "UDP";
  const std::string what =
      std::string("the fixed ") + (udp ? "UDP" : "TCP") + " port " + std::to_string(fixed) + " (spec.ports, hostPort)";
  // A datagram's sender does not notice that nobody is there, so for UDP there is Recreate alone.
  if (type != "Recreate" && (udp || !starts_none_beside(type, strategy))) {
    causes.push_back(invalid("spec.strategy.type", type,
                             "it runs the new instance beside the old, and " + what +
                                 " can be held by one; use Recreate" +
                                 (udp || type != "RollingUpdate" ? "" : ", or maxSurge: 0 with maxUnavailable: 1")));
  }
  if (replicas > hosts_for(app)) {
    causes.push_back(
        invalid("spec.replicas", std::to_string(replicas),
                what + " can be held by one instance of a host; it may run on " + std::to_string(hosts_for(app))));
  }
}

void check_strategy(const json::Value& app, std::vector<FieldError>& causes) {
  static const json::Value none{json::Object{}};
  const json::Value* given = app.at({"spec", "strategy"});
  const json::Value& strategy = given ? *given : none;
  const std::string type = strategy.string_or("type", "RollingUpdate");
  const json::Value* wanted = app.at({"spec", "replicas"});
  const std::int64_t replicas = wanted && wanted->is_int() ? wanted->as_int() : 1;
  for (const auto& port : list_of(app, "ports")) check_fixed_port(app, port, strategy, replicas, causes);
  for (const auto& volume : list_of(app, "volumes")) {
    if (!volume.bool_or("exclusive", false)) continue;
    const std::string name = volume.string_or("name");
    if (type != "Recreate") {
      causes.push_back(invalid(
          "spec.strategy.type", type,
          "it runs the new instance beside the old, and the volume \"" + name + "\" is exclusive; use Recreate"));
    }
    if (replicas > 1) {
      causes.push_back(invalid("spec.replicas", std::to_string(replicas),
                               "the volume \"" + name + "\" is exclusive: one instance at a time may use it"));
    }
  }
}

}  // namespace

bool is_origin(const std::string& text) {
  const auto scheme = text.find("://");
  return (text.starts_with("https://") || text.starts_with("http://")) && text.size() > scheme + 3 &&
         text.find_first_of("/{}* \"\r\n", scheme + 3) == std::string::npos;
}

std::vector<FieldError> mistakes_of(const json::Value& app) {
  std::vector<FieldError> causes;
  check_strategy(app, causes);
  check_routes(app, causes);
  return causes;
}

std::vector<std::string> hosts_of(const json::Value& app) {
  std::vector<std::string> hosts;
  for (const auto& route : list_of(app, "routes")) hosts.push_back(route.string_or("host"));
  return hosts;
}

std::vector<FieldError> conflicts_between(const json::Value& app, const json::Value& other) {
  std::vector<FieldError> causes;
  const json::Array& mine = list_of(app, "routes");
  for (std::size_t i = 0; i < mine.size(); ++i) {
    for (const auto& theirs : list_of(other, "routes")) {
      const std::string host = mine[i].string_or("host");
      if (theirs.string_or("host") != host) continue;
      const std::string address = host + path_of(mine[i]);
      if (path_of(theirs) == path_of(mine[i])) {
        causes.push_back(invalid(at("routes", i), address,
                                 "App " + name_of(other) + " has this route already, so App " + name_of(app) +
                                     " cannot have it; take another path or name"));
      } else if (mode_of(mine[i]) != "none" && mode_of(theirs) != "none" && mode_of(mine[i]) != mode_of(theirs)) {
        causes.push_back(invalid(at("routes", i, "tls.mode"), mode_of(mine[i]),
                                 "App " + name_of(other) + " serves " + host + " with mode " + mode_of(theirs) +
                                     "; a name has one certificate"));
      }
    }
  }
  return causes;
}

}  // namespace gantry::reconcilers::app
