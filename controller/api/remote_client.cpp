#include "controller/api/remote_client.hpp"

#include <charconv>

#include "controller/base/percent.hpp"

namespace gantry::api {
namespace {

// Appends ?name=value or &name=value; nothing for an empty value.
void add_term(std::string& url, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  url += url.find('?') == std::string::npos ? '?' : '&';
  url.append(name).append("=").append(percent_encode(value));
}

std::string metadata_of(const json::Value& object, std::string_view field) {
  const json::Value* metadata = object.find("metadata");
  return metadata && metadata->is_object() ? metadata->string_or(field) : std::string();
}

Revision revision_of(const json::Value& object) {
  const std::string text = metadata_of(object, "resourceVersion");
  Revision revision = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), revision);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Error(ErrorCode::Unavailable, "the server sent the resourceVersion \"" + text + "\", which is no number");
  }
  return revision;
}

ObjectPtr to_object(Resource resource, const json::Value& value) {
  Key key{resource, metadata_of(value, "namespace"), metadata_of(value, "name")};
  return std::make_shared<const object::Object>(std::move(key), revision_of(value), object::meta_of(value),
                                                json::dump(value));
}

void add_selectors(std::string& url, const ListOptions& options) {
  add_term(url, "labelSelector", options.label_selector);
  add_term(url, "fieldSelector", options.field_selector);
}

http::Request request_of(std::string method, std::string url, Duration timeout) {
  return {.method = std::move(method),
          .url = std::move(url),
          .headers = {{"Accept", "application/json"}},
          .body = {},
          .timeout = timeout,
          .body_max = std::size_t{1} << 30};
}

std::string_view media_type_of(PatchType type) {
  switch (type) {
    case PatchType::Merge:
      return "application/merge-patch+json";
    case PatchType::Json:
      return "application/json-patch+json";
    case PatchType::Strategic:
      return "application/strategic-merge-patch+json";
    case PatchType::Apply:
      break;
  }
  return "application/apply-patch+yaml";
}

Error error_of_status(const json::Value& status, int http_status) {
  const auto code = static_cast<int>(status.int_or("code", http_status));
  Error error(error_code_of_http_status(code, status.string_or("reason")),
              status.string_or("message", "the server refused without a reason"));
  const json::Value* details = status.find("details");
  if (!details || !details->is_object()) return error;
  error.about = Error::About{details->string_or("group"), details->string_or("kind"), details->string_or("name"),
                             details->string_or("uid")};
  if (const auto wait = details->int_or("retryAfterSeconds", 0); wait > 0)
    error.retry_after = std::chrono::seconds(wait);
  const json::Value* causes = details->find("causes");
  if (!causes || !causes->is_array()) return error;
  for (const auto& cause : causes->as_array()) {
    error.causes.push_back({cause.string_or("reason"), cause.string_or("field"), cause.string_or("message")});
  }
  return error;
}

class RemoteWatch final : public WatchStream {
 public:
  RemoteWatch(Resource resource, Revision from, std::unique_ptr<http::ResponseStream> stream)
      : resource_(resource), revision_(from), stream_(std::move(stream)) {}

  Revision revision() const override { return revision_; }
  void close() override {
    closed_ = true;
    stream_->close();
  }

  Task<std::vector<Change>> next() override {
    while (true) {
      std::vector<Change> changes;
      while (const auto line = lines_.next()) take(*line, changes);
      if (!changes.empty()) co_return changes;
      std::string piece;
      try {
        if (!closed_) piece = co_await stream_->next();
      } catch (const Error& error) {  // tidy: a watch that is cut off has ended, like any other
        if (error.code() != ErrorCode::Unavailable && error.code() != ErrorCode::Cancelled) throw;
      }
      if (piece.empty()) co_return std::vector<Change>();
      lines_.feed(piece);
    }
  }

 private:
  void take(std::string_view line, std::vector<Change>& changes) {
    if (line.empty()) return;
    const json::Value event = json::parse(line);
    const std::string type = event.string_or("type");
    const json::Value* object = event.find("object");
    if (!object) throw Error(ErrorCode::Unavailable, "the server sent a watch event without an object");
    if (type == "ERROR") throw error_of_status(*object, 500);
    if (type == "BOOKMARK") {
      revision_ = revision_of(*object);
      return;
    }
    Change change;
    if (type == "MODIFIED") change.type = Change::Type::Modified;
    if (type == "DELETED") change.type = Change::Type::Deleted;
    change.object = to_object(resource_, *object);
    revision_ = change.object->revision();
    changes.push_back(std::move(change));
  }

  Resource resource_;
  Revision revision_;
  std::unique_ptr<http::ResponseStream> stream_;
  http::LineSplitter lines_;
  bool closed_ = false;
};

}  // namespace

Error error_of_response(const http::Response& response) {
  if (response.header("content-type").starts_with("application/json")) {
    try {
      const json::Value body = json::parse(response.body);
      if (body.string_or("kind") == "Status") {
        Error error = error_of_status(body, response.status);
        int seconds = 0;
        const std::string wait = response.header("retry-after");
        std::from_chars(wait.data(), wait.data() + wait.size(), seconds);
        if (seconds > 0 && !error.retry_after) error.retry_after = std::chrono::seconds(seconds);
        return error;
      }
    } catch (const Error&) {  // tidy: not JSON after all; told as text below
    }
  }
  return Error(error_code_of_http_status(response.status),
               "the server answered " + std::to_string(response.status) + ": " + response.body.substr(0, 300));
}

RemoteClient::RemoteClient(Reactor& reactor, Kubeconfig config, Duration timeout)
    : config_(std::move(config)),
      timeout_(timeout),
      prefix_(http::target_of(config_.server)),
      tls_(config_.make_tls()),
      pool_(
          reactor,
          [this] {
            auto endpoint = http::Endpoint::of_url(config_.server);
            endpoint.tls_name = config_.tls_server_name;
            return endpoint;
          }(),
          tls_.get()) {
  while (prefix_.ends_with('/')) prefix_.pop_back();
}

RemoteClient::~RemoteClient() = default;

Task<http::Response> RemoteClient::send(http::Request request) {
  request.url.insert(0, prefix_);
  if (!config_.token.empty()) request.headers.emplace_back("Authorization", "Bearer " + config_.token.reveal());
  co_return co_await pool_.send(std::move(request));
}

Task<std::unique_ptr<http::ResponseStream>> RemoteClient::stream(http::Request request) {
  request.url.insert(0, prefix_);
  if (!config_.token.empty()) request.headers.emplace_back("Authorization", "Bearer " + config_.token.reveal());
  co_return co_await http::open_stream(pool_, std::move(request));
}

// Throws for anything but success.
Task<json::Value> RemoteClient::ask(http::Request request) {
  const http::Response response = co_await send(std::move(request));
  if (response.status / 100 != 2) throw error_of_response(response);
  co_return json::parse(response.body);
}

Task<std::string> RemoteClient::collection(Resource resource, const std::string& ns) {
  std::string path = "/api/v1";
  if (!resource.group().empty()) {
    const std::string group(resource.group());
    if (!versions_.contains(group)) {
      const json::Value found = co_await ask(request_of("GET", "/apis/" + percent_encode(group), timeout_));
      const json::Value* version = found.at({"preferredVersion", "version"});
      if (!version || !version->is_string())
        throw Error(ErrorCode::NotFound, "the server does not say which version of " + group + " it serves");
      versions_[group] = version->as_string();
    }
    path = "/apis/" + percent_encode(group) + "/" + percent_encode(versions_[group]);
  }
  if (!ns.empty()) path += "/namespaces/" + percent_encode(ns);
  co_return path.append("/").append(percent_encode(resource.plural()));
}

Task<std::string> RemoteClient::path_of(Key key) {
  if (key.name.empty()) throw Error(ErrorCode::Invalid, "an object is asked for without its name");
  std::string path = co_await collection(key.resource, key.ns);
  co_return path.append("/").append(percent_encode(key.name));
}

Task<ObjectPtr> RemoteClient::find(Key key) {
  const http::Response response = co_await send(request_of("GET", co_await path_of(key), timeout_));
  if (response.status == 404) co_return nullptr;
  if (response.status / 100 != 2) throw error_of_response(response);
  co_return to_object(key.resource, json::parse(response.body));
}

Task<List> RemoteClient::list(Resource resource, ListOptions options) {
  std::string url = co_await collection(resource, options.ns.value_or(""));
  add_selectors(url, options);
  if (options.limit > 0) add_term(url, "limit", std::to_string(options.limit));
  add_term(url, "continue", options.continue_token);
  const json::Value answer = co_await ask(request_of("GET", std::move(url), timeout_));
  List list;
  list.revision = revision_of(answer);
  list.continue_token = metadata_of(answer, "continue");
  const json::Value* items = answer.find("items");
  if (!items || !items->is_array()) co_return list;
  // Items of a list carry no type of their own in Kubernetes; an object alone does.
  const std::string api_version = answer.string_or("apiVersion");
  std::string kind = answer.string_or("kind");
  if (kind.ends_with("List")) kind.resize(kind.size() - 4);
  for (const auto& item : items->as_array()) {
    json::Value object = item;
    if (!object.find("apiVersion")) object["apiVersion"] = api_version;
    if (!object.find("kind")) object["kind"] = kind;
    list.items.push_back(to_object(resource, object));
  }
  co_return list;
}

Task<std::unique_ptr<WatchStream>> RemoteClient::watch(Resource resource, Revision from, ListOptions options) {
  std::string url = co_await collection(resource, options.ns.value_or(""));
  add_selectors(url, options);
  add_term(url, "watch", "true");
  add_term(url, "allowWatchBookmarks", "true");
  add_term(url, "resourceVersion", std::to_string(from));
  auto body = co_await stream(request_of("GET", std::move(url), timeout_));
  if (body->status() / 100 != 2) {
    throw error_of_response(
        {.status = body->status(), .headers = body->head().headers, .body = co_await body->rest(1 << 20)});
  }
  co_return std::make_unique<RemoteWatch>(resource, from, std::move(body));
}

Task<ObjectPtr> RemoteClient::write(std::string method, std::string path, std::string content_type, Resource resource,
                                    json::Value body, WriteOptions options) {
  if (options.fence) throw Error(ErrorCode::Invalid, "a fenced write is possible inside the controller only");
  add_term(path, "fieldManager", options.field_manager);
  if (options.dry_run) add_term(path, "dryRun", "All");
  if (options.force && content_type == media_type_of(PatchType::Apply)) add_term(path, "force", "true");
  http::Request request = request_of(std::move(method), std::move(path), timeout_);
  request.headers.emplace_back("Content-Type", std::move(content_type));
  request.body = json::dump(body);
  co_return to_object(resource, co_await ask(std::move(request)));
}

Task<ObjectPtr> RemoteClient::create(Resource resource, json::Value object, WriteOptions options) {
  std::string path = co_await collection(resource, metadata_of(object, "namespace"));
  co_return co_await write("POST", std::move(path), "application/json", resource, std::move(object),
                           std::move(options));
}

Task<ObjectPtr> RemoteClient::put(Resource resource, std::string subresource, json::Value object,
                                  WriteOptions options) {
  std::string path = co_await path_of({resource, metadata_of(object, "namespace"), metadata_of(object, "name")});
  co_return co_await write("PUT", path + subresource, "application/json", resource, std::move(object),
                           std::move(options));
}

Task<ObjectPtr> RemoteClient::update(Resource resource, json::Value object, WriteOptions options) {
  co_return co_await put(resource, "", std::move(object), std::move(options));
}

Task<ObjectPtr> RemoteClient::update_status(Resource resource, json::Value object, WriteOptions options) {
  co_return co_await put(resource, "/status", std::move(object), std::move(options));
}

Task<ObjectPtr> RemoteClient::finalize(Resource resource, json::Value object, WriteOptions options) {
  co_return co_await put(resource, "/finalize", std::move(object), std::move(options));
}

Task<ObjectPtr> RemoteClient::send_patch(Key key, std::string subresource, PatchType type, json::Value patch,
                                         WriteOptions options) {
  const std::string path = co_await path_of(key) + subresource;
  co_return co_await write("PATCH", path, std::string(media_type_of(type)), key.resource, std::move(patch),
                           std::move(options));
}

Task<ObjectPtr> RemoteClient::patch(Key key, PatchType type, json::Value patch, WriteOptions options) {
  co_return co_await send_patch(std::move(key), "", type, std::move(patch), std::move(options));
}

Task<ObjectPtr> RemoteClient::patch_status(Key key, PatchType type, json::Value patch, WriteOptions options) {
  co_return co_await send_patch(std::move(key), "/status", type, std::move(patch), std::move(options));
}

Task<> RemoteClient::remove(Key key, Preconditions preconditions, std::string propagation) {
  if (preconditions.fence) throw Error(ErrorCode::Invalid, "a fenced deletion is possible inside the controller only");
  http::Request request = request_of("DELETE", co_await path_of(key), timeout_);
  json::Object body{{"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"propagationPolicy", std::move(propagation)}};
  json::Object conditions;
  if (preconditions.uid) conditions.set("uid", *preconditions.uid);
  if (preconditions.revision) conditions.set("resourceVersion", std::to_string(*preconditions.revision));
  if (!conditions.empty()) body.set("preconditions", std::move(conditions));
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = json::dump(json::Value(std::move(body)));
  co_await ask(std::move(request));
}

}  // namespace gantry::api
