#include "controller/cli/manifest.hpp"

#include <algorithm>
#include <filesystem>
#include <istream>
#include <iterator>

#include "controller/base/files.hpp"
#include "controller/cli/fetch.hpp"
#include "crds/local_paths.hpp"

namespace gantry::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFileMax = 256 << 20;
constexpr std::string_view kStandardInput = "standard input";

bool looks_like_json(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (text[first] == '{' || text[first] == '[');
}

std::string line_name(const std::string& source, std::size_t line) {
  return line ? source + ":" + std::to_string(line) : source;
}

// "line 12: why" says what stands before it already.
std::string without_line(const std::string& error) {
  const std::size_t colon = error.find(": ");
  return error.starts_with("line ") && colon != std::string::npos ? error.substr(colon + 2) : error;
}

// One after the other, as they were named.
class Reader {
 public:
  explicit Reader(Context& context) : context_(context) {}

  void read(const std::string& name, bool recursive) {
    if (name == "-") return add_text(std::string(kStandardInput), text_of_input());
    if (name.starts_with("http://") || name.starts_with("https://")) {
      return attempt(name, [&] { add_text(name, fetch(context_, name)); });
    }
    std::error_code problem;
    const fs::file_status status = fs::status(name, problem);
    if (!fs::exists(status)) return fail(name, "the path \"" + name + "\" does not exist");
    if (!fs::is_directory(status)) return attempt(name, [&] { add_text(name, files::read_file(name, kFileMax)); });
    const std::vector<std::string> found = files_below(name, recursive);
    if (found.empty()) return fail(name, "there is no .yaml, .yml or .json file in it");
    for (const std::string& file : found) attempt(file, [&] { add_text(file, files::read_file(file, kFileMax)); });
  }

  std::vector<Manifest> take() { return std::move(manifests_); }

 private:
  template <class F>
  void attempt(const std::string& source, F read_it) {
    try {
      read_it();
    } catch (const Error& error) {  // one file's trouble is not the others'
      fail(source, error.message());
    }
  }

  static std::vector<std::string> files_below(const std::string& folder, bool recursive) {
    std::vector<std::string> found;
    std::error_code problem;
    const auto look = [&found](const fs::directory_entry& entry) {
      const fs::path extension = entry.path().extension();
      const bool manifest = extension == ".yaml" || extension == ".yml" || extension == ".json";
      std::error_code ignored;
      if (manifest && entry.is_regular_file(ignored)) found.push_back(entry.path().string());
    };
    if (recursive) {
      for (const auto& entry : fs::recursive_directory_iterator(folder, problem)) look(entry);
    } else {
      for (const auto& entry : fs::directory_iterator(folder, problem)) look(entry);
    }
    std::ranges::sort(found);
    return found;
  }

  std::string text_of_input() {
    return {std::istreambuf_iterator<char>(context_.streams().in), std::istreambuf_iterator<char>()};
  }

  void fail(const std::string& source, std::string why, std::size_t line = 0) {
    Manifest manifest;
    manifest.source = source;
    manifest.line = line;
    manifest.error = std::move(why);
    manifests_.push_back(std::move(manifest));
  }

  void add_text(const std::string& source, const std::string& text) {
    if (looks_like_json(text) && add_json(source, text)) return;
    for (yaml::Document& document : yaml::parse_all(text, {.bytes_max = kFileMax})) {
      if (!document.error.empty()) {
        fail(source, without_line(document.error), document.error_line);
        continue;
      }
      auto shared = std::make_shared<yaml::Document>(std::move(document));
      json::Value value = std::move(shared->value);
      add_value(source, std::move(value), shared, "");
    }
  }

  // False when it is not one JSON value: the YAML reader knows the lines to complain about.
  bool add_json(const std::string& source, const std::string& text) {
    std::vector<std::string> duplicates;
    json::Value value;
    try {
      value = json::parse(text, &duplicates);
    } catch (const Error&) {
      return false;
    }
    const std::size_t first = manifests_.size();
    add_value(source, std::move(value), nullptr, "");
    if (first < manifests_.size()) {
      for (const std::string& path : duplicates) {
        manifests_[first].duplicates.push_back(source + ": " + path + " stands twice");
      }
    }
    return true;
  }

  void add_value(const std::string& source, json::Value value, const std::shared_ptr<const yaml::Document>& document,
                 const std::string& prefix) {
    if (value.is_array()) return add_items(source, value.as_array(), document, prefix, "");
    json::Value* items = value.find("items");
    const bool list = value.is_object() && value.string_or("kind").ends_with("List") && items && items->is_array();
    if (list) return add_items(source, items->as_array(), document, prefix, "items");
    Manifest manifest;
    manifest.source = source;
    manifest.document = document;
    manifest.prefix = prefix;
    if (document) {
      manifest.line = prefix.empty() ? document->line : document->line_of(prefix.substr(0, prefix.size() - 1));
      for (const std::string& path : document->duplicates) {
        if (!path.starts_with(prefix)) continue;
        manifest.duplicates.push_back(line_name(source, document->line_of(path)) + ": " + path.substr(prefix.size()) +
                                      " stands twice");
      }
    }
    manifest.object = std::move(value);
    std::error_code none;
    if (std::filesystem::is_regular_file(source, none)) {
      crds::make_paths_absolute(manifest.object, std::filesystem::absolute(source, none).parent_path().string());
    }
    manifests_.push_back(std::move(manifest));
  }

  void add_items(const std::string& source, json::Array& items, const std::shared_ptr<const yaml::Document>& document,
                 const std::string& prefix, const std::string& field) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string path = document ? prefix + field + "[" + std::to_string(i) + "]." : std::string();
      add_value(source, std::move(items[i]), document, path);
    }
  }

  Context& context_;
  std::vector<Manifest> manifests_;
};

std::string problem_of(const json::Value& object) {
  if (!object.is_object()) return "not an object but " + std::string(object.type_name());
  if (object.string_or("apiVersion").empty()) return "apiVersion is missing (gantry.dev/v1alpha1 for Gantry's kinds)";
  if (object.string_or("kind").empty()) return "kind is missing";
  const json::Value* metadata = object.find("metadata");
  if (!metadata || metadata->string_or("name").empty()) return "metadata.name is missing";
  return {};
}

// Kind, namespace and name; false with error set when that does not work out.
void resolve(Context& context, Manifest& manifest, const Manifest* last) {
  manifest.error = problem_of(manifest.object);
  if (!manifest.error.empty()) return;
  const std::string api_version = manifest.object.string_or("apiVersion");
  const std::string kind = manifest.object.string_or("kind");
  const bool same =
      last && last->resource && last->resource->kind == kind && last->resource->api_version() == api_version;
  manifest.resource = same ? last->resource : context.discovery().of_kind(api_version, kind);
  json::Value& metadata = manifest.object["metadata"];
  manifest.name = metadata.string_or("name");
  if (!manifest.resource->namespaced) return;
  manifest.ns = metadata.string_or("namespace");
  if (manifest.ns.empty()) {
    manifest.ns = context.ns();
    metadata["namespace"] = manifest.ns;
  } else if (context.flags().origin("namespace") == "flag" && manifest.ns != context.ns()) {
    manifest.error = "it belongs to the namespace " + manifest.ns + ", and --namespace says " + context.ns();
  }
}

}  // namespace

std::string Manifest::where() const { return line_name(source, line); }

std::string Manifest::where(const std::string& field) const {
  if (!document || field.empty()) return {};
  const std::size_t at = document->line_of(prefix + field);
  return at ? line_name(source, at) + ": " : std::string();
}

std::string Manifest::where(const Error& complaint) const {
  // "...: .spec.runtimee: field not declared in schema" has a path, but no causes.
  const std::string_view message = complaint.message();
  const std::size_t dot = message.find(": .");
  const std::size_t end = dot == std::string_view::npos ? dot : message.find(':', dot + 3);
  if (end == std::string_view::npos || !complaint.causes.empty()) return where();
  const std::string found = where(std::string(message.substr(dot + 3, end - dot - 3)));
  return found.empty() ? where() : found.substr(0, found.size() - 2);
}

std::vector<Manifest> read_manifests(Context& context, const std::vector<std::string>& names, bool recursive) {
  if (names.empty()) throw UsageError("say which manifests: -f FILE, -f FOLDER or -f - for standard input");
  Reader reader(context);
  for (const std::string& name : names) reader.read(name, recursive);
  std::vector<Manifest> manifests = reader.take();
  const Manifest* last = nullptr;
  for (Manifest& manifest : manifests) {
    if (!manifest.error.empty()) continue;
    try {
      resolve(context, manifest, last);
      last = &manifest;
    } catch (const Error& error) {  // an unknown kind; a server that cannot be reached ends everything
      if (error.code() != ErrorCode::NotFound) throw;
      manifest.error = error.message();
    }
  }
  return manifests;
}

}  // namespace gantry::cli
