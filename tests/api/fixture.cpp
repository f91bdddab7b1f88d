#include "tests/api/fixture.hpp"

#include "controller/base/yaml.hpp"
#include "crds/embedded.hpp"

namespace gantry::api {
namespace {

constexpr std::string_view kInfra = R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: apps.infra.gantry.dev}
spec:
  group: infra.gantry.dev
  scope: Namespaced
  names: {kind: App, plural: apps, singular: app, shortNames: [ap], categories: [all, gantry]}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.readyReplicas, labelSelectorPath: .status.selector}
    additionalPrinterColumns:
    - {name: Image, type: string, jsonPath: .spec.image}
    - {name: Desired, type: integer, jsonPath: .spec.replicas}
    - {name: Ready, type: integer, jsonPath: .status.readyReplicas}
    - {name: Phase, type: string, jsonPath: .status.phase, priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [image]
            properties:
              image: {type: string}
              replicas: {type: integer, minimum: 0, maximum: 100, default: 1}
              strategy: {type: string, enum: [rolling, recreate], default: rolling}
              env:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items: {type: object, required: [name], properties: {name: {type: string}, value: {type: string}}}
              ports:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [port, protocol]
                items: {type: object, required: [port], properties: {port: {type: integer}, protocol: {type: string, default: TCP}}}
              tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
              args: {type: array, items: {type: string}}
              limits: {type: object, additionalProperties: {x-kubernetes-int-or-string: true}}
              nodeSelector: {type: object, x-kubernetes-map-type: atomic, additionalProperties: {type: string}}
              extra: {type: object, x-kubernetes-preserve-unknown-fields: true}
          status:
            type: object
            properties:
              phase: {type: string}
              selector: {type: string}
              observedGeneration: {type: integer}
              readyReplicas: {type: integer}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servers.infra.gantry.dev}
spec:
  group: infra.gantry.dev
  scope: Cluster
  names: {kind: Server, plural: servers, singular: server}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, properties: {size: {type: string}}}}
)";

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  for (std::size_t start = 0; start <= text.size();) {
    const auto end = std::min(text.find(at, start), text.size());
    parts.emplace_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

HttpRequest request_of(std::string method, const std::string& target) {
  HttpRequest request;
  request.method = std::move(method);
  const auto mark = target.find('?');
  request.path = target.substr(0, mark);
  for (auto& segment : split(std::string_view(request.path).substr(1), '/'))
    request.segments.push_back(decoded(segment));
  if (mark == std::string::npos) return request;
  for (const auto& pair : split(std::string_view(target).substr(mark + 1), '&')) {
    const auto equals = pair.find('=');
    request.query.emplace_back(decoded(pair.substr(0, equals)),
                               equals == std::string::npos ? "" : decoded(pair.substr(equals + 1)));
  }
  return request;
}

}  // namespace

Clock::TimerId ManualClock::call_at(Reactor& reactor, Instant when, std::move_only_function<void()> fn) {
  timers_.emplace(++last_, Timer{&reactor, when, std::move(fn)});
  return last_;
}

void ManualClock::advance(Duration by) {
  now_ += by;
  for (auto at = timers_.begin(); at != timers_.end();) {
    if (at->second.when > now_) {
      ++at;
      continue;
    }
    at->second.reactor->post(std::move(at->second.fn));
    at = timers_.erase(at);
  }
}

json::Value at(const json::Value& value, std::string_view dotted) {
  const json::Value* here = &value;
  for (const auto& step : split(dotted, '.')) {
    here = here->find(step);
    if (!here) return nullptr;
  }
  return *here;
}

json::Value Answer::at(std::string_view dotted) const { return api::at(json(), dotted); }

std::vector<std::string> Answer::all(std::string_view header) const {
  std::vector<std::string> found;
  for (const auto& [name, value] : headers) {
    if (name == header) found.push_back(value);
  }
  return found;
}

object::KindTable fixture_kinds() {
  std::vector<object::KindPtr> kinds;
  for (const auto& document : yaml::parse_all(kInfra)) kinds.push_back(object::kind_from_definition(document.value));
  for (const auto& file : crds::embedded_files()) {
    if (!file.name.starts_with("crds/core/")) continue;
    for (const auto& document : yaml::parse_all(file.text))
      kinds.push_back(object::kind_from_definition(document.value));
  }
  return object::KindTable(std::move(kinds));
}

void ApiTest::open() {
  disk_ = std::make_shared<store::MemoryDisk>();
  start();
}

void ApiTest::restart() {
  for (const auto& stream : streams_) stream->close();
  while (front.poll() > 0) {
  }
  streams_.clear();
  readings_.clear();
  start();
}

void ApiTest::start() {
  api.reset();
  while (front.poll() > 0) {
  }
  store = store::make_embedded_store(front, blocking, std::make_unique<store::MemoryEngine>(disk_), options_);
  ApiOptions options;
  options.random = &random;
  static const object::KindTable kinds = fixture_kinds();
  api = std::make_unique<Api>(front, *store, kinds, options);
  front.spawn(api->prepare());
  front.poll();
}

ApiTest::~ApiTest() {
  for (const auto& stream : streams_) stream->close();
  while (front.poll() > 0) {
  }
  streams_.clear();
  readings_.clear();
  // What follows the definitions ends with the API, on its reactor.
  api.reset();
  while (front.poll() > 0) {
  }
}

Answer ApiTest::send(std::string method, const std::string& target, std::string body, Headers headers) {
  HttpRequest request = request_of(std::move(method), target);
  request.headers = std::move(headers);
  request.body = std::move(body);
  request.user = user;
  HttpResponse response = run(api->handle(std::move(request)));
  Answer answer{response.status, response.content_type, response.headers, {}, std::move(response.stream)};
  if (answer.stream) streams_.push_back(answer.stream);
  for (const auto& piece : response.body) answer.text += text_of(piece);
  return answer;
}

Task<> ApiTest::read_on(BodyStream& stream, std::shared_ptr<Reading> reading) {
  reading->waiting = true;
  auto pieces = co_await stream.next();
  reading->waiting = false;
  if (pieces.empty()) reading->over = true;
  reading->got.push_back(std::move(pieces));
}

std::vector<json::Value> ApiTest::frames(BodyStream& stream) {
  auto& reading = readings_[&stream];
  if (!reading) reading = std::make_shared<Reading>();
  std::string text;
  while (true) {
    if (!reading->waiting && !reading->over) front.spawn(read_on(stream, reading));
    while (front.poll() > 0) {
    }
    if (reading->got.empty()) break;
    for (const auto& pieces : std::exchange(reading->got, {})) {
      for (const auto& piece : pieces) text += text_of(piece);
    }
  }
  std::vector<json::Value> out;
  for (const auto& line : split(text, '\n')) {
    if (!line.empty()) out.push_back(json::parse(line));
  }
  return out;
}

bool ApiTest::ended(BodyStream& stream) {
  frames(stream);
  return readings_[&stream]->over;
}

void ApiTest::advance(Duration by) {
  clock.advance(by);
  while (front.poll() > 0) {
  }
}

std::string app(std::string_view name, std::string_view spec, std::string_view more_metadata) {
  std::string out = R"({"apiVersion":"infra.gantry.dev/v1alpha1","kind":"App","metadata":{"name":")";
  return out.append(name).append("\"").append(more_metadata).append("},\"spec\":").append(spec).append("}");
}

}  // namespace gantry::api
