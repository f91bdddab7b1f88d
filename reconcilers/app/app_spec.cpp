#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cmath>

#include "reconcilers/app/app_seen.hpp"

namespace gantry::reconcilers::app {
namespace {

const json::Value& spec_of(const json::Value& app) {
  static const json::Value none{json::Object{}};
  const json::Value* spec = app.find("spec");
  return spec ? *spec : none;
}

// "25%" or 1. As Kubernetes: a percentage of surge rounds up, of unavailability down.
int count_or_percentage(const json::Value* value, int otherwise, int replicas, bool round_up) {
  if (!value) return otherwise;
  if (value->is_int()) return static_cast<int>(value->as_int());
  if (!value->is_string() || !value->as_string().ends_with('%')) return otherwise;
  const double share = std::strtod(value->as_string().c_str(), nullptr) / 100.0 * replicas;
  return static_cast<int>(round_up ? std::ceil(share) : std::floor(share));
}

std::string hex(const unsigned char* bytes, std::size_t length) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "sha256:";
  for (std::size_t i = 0; i < length; ++i) {
    out += kHex[bytes[i] >> 4];
    out += kHex[bytes[i] & 15];
  }
  return out;
}

int probed_port(const json::Value* port, const providers::Instance& instance) {
  if (instance.ports.empty()) return port && port->is_int() ? static_cast<int>(port->as_int()) : 0;
  if (!port) return instance.ports.front().host_port;
  for (const auto& known : instance.ports) {
    if (port->is_string() && known.name == port->as_string()) return known.host_port;
    if (port->is_int() && known.port == port->as_int()) return known.host_port;
  }
  return port->is_int() ? static_cast<int>(port->as_int()) : 0;
}

}  // namespace

int replicas_of(const json::Value& app) { return wanted_replicas(app); }

bool is_docker(const json::Value& pod_template) { return pod_template.string_or("runtime", "docker") == "docker"; }

RolloutTarget rollout_target(const json::Value& app, const std::string& release) {
  RolloutTarget target;
  target.release = release;
  target.replicas = replicas_of(app);
  const json::Value* strategy = spec_of(app).find("strategy");
  if (strategy) {
    target.recreate = strategy->string_or("type", "RollingUpdate") == "Recreate";
    target.blue_green = strategy->string_or("type") == "BlueGreen";
    target.drain = std::chrono::seconds(strategy->int_or("drainSeconds", 30));
    target.surge_max = count_or_percentage(strategy->find("maxSurge"), 1, target.replicas, true);
    target.unavailable_max = count_or_percentage(strategy->find("maxUnavailable"), 0, target.replicas, false);
  }
  if (target.surge_max == 0 && target.unavailable_max == 0) target.surge_max = 1;  // otherwise nothing could ever move
  if (const json::Value* ports = spec_of(app).find("ports"); ports && ports->is_array()) {
    for (const auto& port : ports->as_array()) target.exclusive = target.exclusive || port.int_or("hostPort", 0) != 0;
  }
  if (const json::Value* volumes = spec_of(app).find("volumes"); volumes && volumes->is_array()) {
    for (const auto& volume : volumes->as_array())
      target.exclusive = target.exclusive || volume.bool_or("exclusive", false);
  }
  if (stopped(app)) target.replicas = 0;
  return target;
}

bool stopped(const json::Value& app) {
  const json::Value* annotation = app.at({"metadata", "annotations", "gantry.dev/stopped"});
  return annotation && annotation->is_string() && annotation->as_string() == "true";
}

HealthCheck health_check_of(const json::Value& app, const providers::Instance& instance) {
  HealthCheck check;
  const json::Value* health = spec_of(app).find("health");
  const json::Value* http = health ? health->find("httpGet") : nullptr;
  const json::Value* tcp = health ? health->find("tcpSocket") : nullptr;
  if (health) {
    check.period = std::chrono::seconds(health->int_or("periodSeconds", 5));
    check.failures_max = static_cast<int>(health->int_or("failureThreshold", 3));
    check.successes_min = static_cast<int>(health->int_or("successThreshold", 1));
    check.startup = std::chrono::seconds(health->int_or("startupSeconds", 60));
  }
  if (!http && !tcp && instance.ports.empty()) return check;
  providers::ProbeSpec probe;
  probe.server = instance.server;
  probe.kind = http ? providers::ProbeSpec::Kind::Http : providers::ProbeSpec::Kind::Tcp;
  if (http) probe.path = http->string_or("path", "/");
  probe.port = probed_port(http ? http->find("port") : tcp ? tcp->find("port") : nullptr, instance);
  if (health) probe.timeout = std::chrono::seconds(health->int_or("timeoutSeconds", 2));
  check.probe = probe;
  return check;
}

std::optional<std::pair<std::string, std::string>> unsupported(const json::Value& app) {
  using Problem = std::pair<std::string, std::string>;
  const json::Value& spec = spec_of(app);
  const bool docker = is_docker(spec);
  const json::Value* source = spec.find("source");
  if (spec.at({"placement", "providerRef"})) {
    return Problem{"PlacementNotSupported",
                   "spec.placement.providerRef: this build places Apps on Servers; use servers, selector or provision"};
  }
  if (!docker && source && source->find("image")) {
    return Problem{"SourceNotSupported", "spec.source.image runs in containers only; set runtime: docker"};
  }
  if (!docker && !spec.find("command"))
    return Problem{"CommandMissing", "spec.command is required with runtime: process: what should be started?"};
  return std::nullopt;
}

std::string sha256(const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_Digest(text.data(), text.size(), digest, &length, EVP_sha256(), nullptr);
  return hex(digest, length);
}

std::string hmac_sha256(const std::string& key, const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), digest, &length);
  return hex(digest, length);
}

}  // namespace gantry::reconcilers::app
