// The typed view of an App's spec; crds/app.yaml says what each field means.
#pragma once

#include <array>

#include "crds/common.hpp"

namespace gantry::crds {

enum class Runtime { Docker, Process };
inline constexpr std::array<std::string_view, 2> kRuntimeWords{"docker", "process"};
inline std::span<const std::string_view> words(Runtime) { return kRuntimeWords; }

enum class StrategyType { RollingUpdate, BlueGreen, Recreate };
inline constexpr std::array<std::string_view, 3> kStrategyWords{"RollingUpdate", "BlueGreen", "Recreate"};
inline std::span<const std::string_view> words(StrategyType) { return kStrategyWords; }

enum class Protocol { Tcp, Udp };
inline constexpr std::array<std::string_view, 2> kProtocolWords{"TCP", "UDP"};
inline std::span<const std::string_view> words(Protocol) { return kProtocolWords; }

enum class TlsMode { Acme, Internal, Secret, None };
inline constexpr std::array<std::string_view, 4> kTlsModeWords{"acme", "internal", "secret", "none"};
inline std::span<const std::string_view> words(TlsMode) { return kTlsModeWords; }

enum class SelectorOperator { In, NotIn, Exists, DoesNotExist };
inline constexpr std::array<std::string_view, 4> kOperatorWords{"In", "NotIn", "Exists", "DoesNotExist"};
inline std::span<const std::string_view> words(SelectorOperator) { return kOperatorWords; }

enum class ScalingResource { Cpu, Memory };
inline constexpr std::array<std::string_view, 2> kScalingResourceWords{"cpu", "memory"};
inline std::span<const std::string_view> words(ScalingResource) { return kScalingResourceWords; }

enum class ConcurrencyPolicy { Allow, Forbid, Replace };
inline constexpr std::array<std::string_view, 3> kConcurrencyWords{"Allow", "Forbid", "Replace"};
inline std::span<const std::string_view> words(ConcurrencyPolicy) { return kConcurrencyWords; }

struct AppBuild {
  std::string preset = "auto";
  std::string dockerfile;
  std::string command;
  std::string output;
  std::string node_version;
  std::optional<Quantity> memory;
  int timeout_seconds = 1200;
  std::vector<EnvVar> env;
};
template <class Visitor>
void fields(Visitor& visit, AppBuild& build) {
  visit("preset", build.preset);
  visit("dockerfile", build.dockerfile);
  visit("command", build.command);
  visit("output", build.output);
  visit("nodeVersion", build.node_version);
  visit("memory", build.memory);
  visit("timeoutSeconds", build.timeout_seconds);
  visit("env", build.env);
}

struct SelectorRequirement {
  std::string key;
  SelectorOperator op = SelectorOperator::In;
  std::vector<std::string> values;
};
template <class Visitor>
void fields(Visitor& visit, SelectorRequirement& requirement) {
  visit("key", requirement.key);
  visit("operator", requirement.op);
  visit("values", requirement.values);
}

struct ServerSelector {
  std::map<std::string, std::string> match_labels;
  std::vector<SelectorRequirement> match_expressions;
};
template <class Visitor>
void fields(Visitor& visit, ServerSelector& selector) {
  visit("matchLabels", selector.match_labels);
  visit("matchExpressions", selector.match_expressions);
}

struct ScalingMetric {
  ScalingResource resource = ScalingResource::Cpu;
  int average_utilization = 0;
};
template <class Visitor>
void fields(Visitor& visit, ScalingMetric& metric) {
  visit("resource", metric.resource);
  visit("averageUtilization", metric.average_utilization);
}

struct ServerScaling {
  int min_servers = 1;
  int max_servers = 0;
  int scale_up_cooldown_seconds = 30;
  int scale_down_cooldown_seconds = 300;
  std::vector<ScalingMetric> metrics;
};
template <class Visitor>
void fields(Visitor& visit, ServerScaling& scaling) {
  visit("minServers", scaling.min_servers);
  visit("maxServers", scaling.max_servers);
  visit("scaleUpCooldownSeconds", scaling.scale_up_cooldown_seconds);
  visit("scaleDownCooldownSeconds", scaling.scale_down_cooldown_seconds);
  visit("metrics", scaling.metrics);
}

struct Provision {
  int count = 1;
  std::optional<ServerScaling> scaling;
  json::Value server_template;  // a Server's spec
};
template <class Visitor>
void fields(Visitor& visit, Provision& provision) {
  visit("count", provision.count);
  visit("scaling", provision.scaling);
  visit("template", provision.server_template);
}

// At most one is set; none: the controller's own machine.
struct AppPlacement {
  std::vector<NameRef> servers;
  std::optional<ServerSelector> selector;
  std::optional<Provision> provision;
  std::optional<NameRef> provider_ref;
};
template <class Visitor>
void fields(Visitor& visit, AppPlacement& placement) {
  visit("servers", placement.servers);
  visit("selector", placement.selector);
  visit("provision", placement.provision);
  visit("providerRef", placement.provider_ref);
}

struct OptionalNameRef {
  std::string name;
  bool optional = false;
};
template <class Visitor>
void fields(Visitor& visit, OptionalNameRef& ref) {
  visit("name", ref.name);
  visit("optional", ref.optional);
}

// Exactly one of the references is set.
struct EnvFrom {
  std::string prefix;
  std::optional<OptionalNameRef> secret_ref;
  std::optional<OptionalNameRef> config_map_ref;
};
template <class Visitor>
void fields(Visitor& visit, EnvFrom& from) {
  visit("prefix", from.prefix);
  visit("secretRef", from.secret_ref);
  visit("configMapRef", from.config_map_ref);
}

struct AppPort {
  std::string name;
  int port = 0;
  int host_port = 0;  // 0: any free one
  Protocol protocol = Protocol::Tcp;
};
template <class Visitor>
void fields(Visitor& visit, AppPort& port) {
  visit("name", port.name);
  visit("port", port.port);
  visit("hostPort", port.host_port);
  visit("protocol", port.protocol);
}

struct AppResources {
  std::optional<Quantity> cpu;
  std::optional<Quantity> memory;
};
template <class Visitor>
void fields(Visitor& visit, AppResources& resources) {
  visit("cpu", resources.cpu);
  visit("memory", resources.memory);
}

struct AppVolume {
  std::string name;
  std::string mount_path;
  std::string host_path;  // empty: a folder that Gantry keeps
  bool read_only = false;
  bool exclusive = false;
};
template <class Visitor>
void fields(Visitor& visit, AppVolume& volume) {
  visit("name", volume.name);
  visit("mountPath", volume.mount_path);
  visit("hostPath", volume.host_path);
  visit("readOnly", volume.read_only);
  visit("exclusive", volume.exclusive);
}

struct HttpGet {
  std::string path = "/";
  std::optional<IntOrString> port;  // absent: the first
};
template <class Visitor>
void fields(Visitor& visit, HttpGet& get) {
  visit("path", get.path);
  visit("port", get.port);
}

struct TcpSocket {
  std::optional<IntOrString> port;  // absent: the first
};
template <class Visitor>
void fields(Visitor& visit, TcpSocket& socket) {
  visit("port", socket.port);
}

// At most one of http_get and tcp_socket is set.
struct AppHealth {
  std::optional<HttpGet> http_get;
  std::optional<TcpSocket> tcp_socket;
  int period_seconds = 5;
  int timeout_seconds = 2;
  int failure_threshold = 3;
  int success_threshold = 1;
  int startup_seconds = 60;
};
template <class Visitor>
void fields(Visitor& visit, AppHealth& health) {
  visit("httpGet", health.http_get);
  visit("tcpSocket", health.tcp_socket);
  visit("periodSeconds", health.period_seconds);
  visit("timeoutSeconds", health.timeout_seconds);
  visit("failureThreshold", health.failure_threshold);
  visit("successThreshold", health.success_threshold);
  visit("startupSeconds", health.startup_seconds);
}

struct AppHook {
  std::vector<std::string> command;
  int timeout_seconds = 600;
};
template <class Visitor>
void fields(Visitor& visit, AppHook& hook) {
  visit("command", hook.command);
  visit("timeoutSeconds", hook.timeout_seconds);
}

struct AppHooks {
  std::optional<AppHook> pre_deploy;
};
template <class Visitor>
void fields(Visitor& visit, AppHooks& hooks) {
  visit("preDeploy", hooks.pre_deploy);
}

struct AppStrategy {
  StrategyType type = StrategyType::RollingUpdate;
  IntOrString max_surge{.number = 1, .text = {}};
  IntOrString max_unavailable;
  int drain_seconds = 30;
  int progress_deadline_seconds = 600;
  bool auto_rollback = true;
};
template <class Visitor>
void fields(Visitor& visit, AppStrategy& strategy) {
  visit("type", strategy.type);
  visit("maxSurge", strategy.max_surge);
  visit("maxUnavailable", strategy.max_unavailable);
  visit("drainSeconds", strategy.drain_seconds);
  visit("progressDeadlineSeconds", strategy.progress_deadline_seconds);
  visit("autoRollback", strategy.auto_rollback);
}

struct RouteTls {
  TlsMode mode = TlsMode::Acme;
  std::optional<NameRef> secret_ref;
};
template <class Visitor>
void fields(Visitor& visit, RouteTls& tls) {
  visit("mode", tls.mode);
  visit("secretRef", tls.secret_ref);
}

struct RouteCors {
  std::vector<std::string> allow_origins;
  std::vector<ValueFrom> allow_origins_from;
  std::vector<std::string> allow_methods;
  std::vector<std::string> allow_headers;
  bool allow_credentials = false;
};
template <class Visitor>
void fields(Visitor& visit, RouteCors& cors) {
  visit("allowOrigins", cors.allow_origins);
  visit("allowOriginsFrom", cors.allow_origins_from);
  visit("allowMethods", cors.allow_methods);
  visit("allowHeaders", cors.allow_headers);
  visit("allowCredentials", cors.allow_credentials);
}

struct RouteRateLimit {
  int requests_per_second = 0;
  int burst = 0;
};
template <class Visitor>
void fields(Visitor& visit, RouteRateLimit& limit) {
  visit("requestsPerSecond", limit.requests_per_second);
  visit("burst", limit.burst);
}

struct AppRoute {
  std::string host;
  std::string path;                 // empty: /
  std::optional<IntOrString> port;  // absent: the first
  std::optional<RouteTls> tls;
  std::optional<RouteCors> cors;
  std::optional<RouteRateLimit> rate_limit;
};
template <class Visitor>
void fields(Visitor& visit, AppRoute& route) {
  visit("host", route.host);
  visit("path", route.path);
  visit("port", route.port);
  visit("tls", route.tls);
  visit("cors", route.cors);
  visit("rateLimit", route.rate_limit);
}

struct AppScaling {
  int min_replicas = 1;
  int max_replicas = 0;
  int scale_up_cooldown_seconds = 30;
  int scale_down_cooldown_seconds = 300;
  std::vector<ScalingMetric> metrics;
};
template <class Visitor>
void fields(Visitor& visit, AppScaling& scaling) {
  visit("minReplicas", scaling.min_replicas);
  visit("maxReplicas", scaling.max_replicas);
  visit("scaleUpCooldownSeconds", scaling.scale_up_cooldown_seconds);
  visit("scaleDownCooldownSeconds", scaling.scale_down_cooldown_seconds);
  visit("metrics", scaling.metrics);
}

struct AppSchedule {
  std::string name;
  std::string cron;
  std::string time_zone;  // empty: UTC
  std::vector<std::string> command;
  ConcurrencyPolicy concurrency_policy = ConcurrencyPolicy::Forbid;
  bool suspend = false;
  int starting_deadline_seconds = 3600;
  int timeout_seconds = 0;  // 0: for ever
  int history_limit = 5;
};
template <class Visitor>
void fields(Visitor& visit, AppSchedule& schedule) {
  visit("name", schedule.name);
  visit("cron", schedule.cron);
  visit("timeZone", schedule.time_zone);
  visit("command", schedule.command);
  visit("concurrencyPolicy", schedule.concurrency_policy);
  visit("suspend", schedule.suspend);
  visit("startingDeadlineSeconds", schedule.starting_deadline_seconds);
  visit("timeoutSeconds", schedule.timeout_seconds);
  visit("historyLimit", schedule.history_limit);
}

struct AppSpec {
  AppSource source;
  std::optional<AppBuild> build;
  std::optional<AppPlacement> placement;
  Runtime runtime = Runtime::Docker;
  int replicas = 1;
  std::vector<std::string> command;
  std::vector<std::string> args;
  std::string working_directory;
  std::vector<EnvVar> env;
  std::vector<EnvFrom> env_from;
  std::vector<AppPort> ports;
  std::optional<AppResources> resources;
  std::vector<AppVolume> volumes;
  std::optional<AppHealth> health;
  int stop_grace_seconds = 10;
  std::optional<AppHooks> hooks;
  AppStrategy strategy;
  std::vector<AppRoute> routes;
  std::optional<AppScaling> scaling;
  std::vector<AppSchedule> schedules;
  int revision_history_limit = 10;
  std::vector<Dependency> depends_on;
};
template <class Visitor>
void fields(Visitor& visit, AppSpec& spec) {
  visit("source", spec.source);
  visit("build", spec.build);
  visit("placement", spec.placement);
  visit("runtime", spec.runtime);
  visit("replicas", spec.replicas);
  visit("command", spec.command);
  visit("args", spec.args);
  visit("workingDirectory", spec.working_directory);
  visit("env", spec.env);
  visit("envFrom", spec.env_from);
  visit("ports", spec.ports);
  visit("resources", spec.resources);
  visit("volumes", spec.volumes);
  visit("health", spec.health);
  visit("stopGraceSeconds", spec.stop_grace_seconds);
  visit("hooks", spec.hooks);
  visit("strategy", spec.strategy);
  visit("routes", spec.routes);
  visit("scaling", spec.scaling);
  visit("schedules", spec.schedules);
  visit("revisionHistoryLimit", spec.revision_history_limit);
  visit("dependsOn", spec.depends_on);
}

AppSpec decode_app_spec(const json::Value& object);

}  // namespace gantry::crds
