// gantry get: what is there, as a table for people or as data for programs; -w goes on showing what changes.
#include "controller/cli/commands.hpp"
#include "controller/cli/output.hpp"
#include "controller/cli/server_table.hpp"
#include "controller/cli/target.hpp"
#include "controller/cli/watch.hpp"

namespace gantry::cli {
namespace {

TableOptions table_options(const Flags& flags, const Output& output, bool several_kinds, const ApiResource& resource) {
  TableOptions options;
  options.wide = output.form == Output::Form::Wide;
  options.with_namespace = flags.on("all-namespaces") && resource.namespaced;
  options.show_labels = flags.on("show-labels");
  options.label_columns = flags.all("label-columns");
  if (!flags.text("sort-by").empty()) options.sort_by = path_of(flags.text("sort-by"));
  if (several_kinds || flags.on("show-kind")) options.name_prefix = resource.label() + "/";
  return options;
}

class Get {
 public:
  explicit Get(Context& context)
      : context_(context),
        flags_(context.flags()),
        output_(output_of(flags_)),
        targets_(targets_of(context, context.operands())) {
    several_kinds_ = std::ranges::any_of(
        targets_, [&](const Target& target) { return target.resource != targets_.front().resource; });
    const bool named = std::ranges::any_of(targets_, [](const Target& target) { return !target.name.empty(); });
    if (named && flags_.on("all-namespaces")) throw UsageError("a name is looked up in one namespace: leave out -A");
    if (named && flags_.given("selector")) throw UsageError("name objects or select them by label, not both");
  }

  int run() {
    if (flags_.on("watch") || flags_.on("watch-only")) return watch();
    if (output_.for_people()) return print_tables();
    return print_objects();
  }

 private:
  Request request_for(const Target& target, std::string_view next = {}) const {
    Request request;
    if (output_.for_people()) request.accept = kTable;
    request.path = target.resource->path(context_.ns_for(*target.resource), target.name);
    const std::string_view include = flags_.text("sort-by").empty() ? "" : "Object";
    if (target.name.empty()) {
      request.path += query({{"limit", flags_.text("chunk-size")},
                             {"labelSelector", flags_.text("selector")},
                             {"fieldSelector", flags_.text("field-selector")},
                             {"includeObject", include},
                             {"continue", next}});
    } else {
      request.path += query({{"includeObject", include}});
    }
    return request;
  }

  // Every page of the answer, given to `page`. One bad name does not hide the others: false, with the error printed.
  template <class F>
  bool each_page(const Target& target, F page) {
    std::string next;
    try {
      do {
        json::Value answer = context_.ask(request_for(target, next));
        const json::Value* metadata = target.name.empty() ? answer.find("metadata") : nullptr;
        next = metadata ? metadata->string_or("continue") : "";
        page(std::move(answer));
      } while (!next.empty());
    } catch (const ServerError& error) {
      if (error.code() == ErrorCode::NotFound && flags_.on("ignore-not-found")) return true;
      if (targets_.size() == 1) throw;
      context_.print(error);
      return false;
    }
    return true;
  }

  // Objects of one kind share a table; kinds stand apart.
  int print_tables() {
    bool good = true, anything = false;
    for (std::size_t i = 0; i < targets_.size();) {
      const ApiResource& resource = *targets_[i].resource;
      ServerTable table(table_options(flags_, output_, several_kinds_, resource));
      for (; i < targets_.size() && targets_[i].resource.get() == &resource; ++i) {
        good &= each_page(targets_[i], [&](const json::Value& answer) { table.add(answer, context_.clock()); });
      }
      if (table.empty()) continue;
      if (anything) context_.out() << "\n";
      anything = true;
      table.print(context_.out(), !flags_.on("no-headers"), context_.style());
    }
    if (!anything && good && !flags_.on("ignore-not-found")) say_nothing_found();
    return good ? kOk : kFailed;
  }

  void say_nothing_found() {
    const bool one_place = targets_.front().resource->namespaced && !flags_.on("all-namespaces");
    context_.err() << "No resources found" << (one_place ? " in " + context_.ns() + " namespace.\n" : "\n");
  }

  int print_objects() {
    bool good = true;
    std::vector<json::Value> objects;
    for (const Target& target : targets_) {
      good &= each_page(target, [&](json::Value answer) {
        if (!target.name.empty()) return objects.push_back(prepared(std::move(answer), *target.resource));
        json::Value* items = answer.find("items");
        if (!items || !items->is_array()) return;
        for (json::Value& item : items->as_array()) objects.push_back(prepared(std::move(item), *target.resource));
      });
    }
    const bool single = targets_.size() == 1 && !targets_.front().name.empty();
    if (single && objects.empty()) return good ? kOk : kFailed;
    if (single) {
      print_value(context_, output_, objects.front());
    } else {
      if (!flags_.text("sort-by").empty()) sort(objects);
      print_value(context_, output_, list_of(std::move(objects)));
    }
    return good ? kOk : kFailed;
  }

  void sort(std::vector<json::Value>& objects) const;

  json::Value prepared(json::Value object, const ApiResource& resource) const {
    object["apiVersion"] = resource.api_version();  // items of core lists may come without
    object["kind"] = resource.kind;
    if (!flags_.on("show-managed-fields")) drop_managed_fields(object);
    return object;
  }

  int watch();
  void show(const WatchEvent& event, ServerTable& table, bool& headers);

  Context& context_;
  const Flags& flags_;
  Output output_;
  std::vector<Target> targets_;
  bool several_kinds_ = false;
};

void Get::sort(std::vector<json::Value>& objects) const {
  const PathPtr path = path_of(flags_.text("sort-by"));
  std::ranges::stable_sort(objects,
                           [&path](const json::Value& a, const json::Value& b) { return comes_before(a, b, *path); });
}

void Get::show(const WatchEvent& event, ServerTable& table, bool& headers) {
  if (!output_.for_people()) {
    print_value(context_, output_, prepared(event.object, *targets_.front().resource));
  } else {
    table.add(event.object, context_.clock());
    table.print(context_.out(), std::exchange(headers, false), context_.style());
  }
  context_.out().flush();
}

int Get::watch() {
  const Target& target = targets_.front();
  if (targets_.size() != 1) throw UsageError("-w watches one kind, or one object");
  if (!flags_.text("sort-by").empty()) throw UsageError("--sort-by does not go with -w");
  WatchRequest request;
  request.path = target.resource->path(context_.ns_for(*target.resource));
  request.accept = output_.for_people() ? std::string(kTable) : std::string(kJson);
  request.label_selector = flags_.text("selector");
  request.field_selector = target.name.empty() ? flags_.text("field-selector") : "metadata.name=" + target.name;
  ServerTable table(table_options(flags_, output_, false, *target.resource));
  bool headers = !flags_.on("no-headers");

  json::Value list = context_.ask(list_request(request));
  const bool is_table = list.string_or("kind") == "Table";
  const json::Value* found = list.find(is_table ? "rows" : "items");
  const bool empty = !found || !found->is_array() || found->as_array().empty();
  if (empty && !target.name.empty()) {
    context_.ask(request_for(target));  // says so in the server's words
  }
  const std::string revision = metadata_of(list, "resourceVersion");
  if (!flags_.on("watch-only") && !empty) {
    if (output_.for_people()) {
      show({"ADDED", std::move(list)}, table, headers);
    } else {
      for (json::Value& item : list["items"].as_array()) show({"ADDED", std::move(item)}, table, headers);
    }
  }
  watch_from(context_, request, revision, std::nullopt, [&](const WatchEvent& event) {
    show(event, table, headers);
    return context_.out().good();  // whoever was reading may have gone
  });
  return kOk;
}

// Whatever the server answers at this path, as it is.
int get_raw(Context& context, const std::string& path) {
  if (!path.starts_with('/')) throw UsageError("--raw takes a path that begins with /, such as /metrics");
  if (!context.operands().empty()) throw UsageError("--raw asks for a path: leave out types and names");
  const Response response = context.server().send({.path = path, .accept = "*/*"});
  context.print_warnings(response);
  if (!response.ok()) throw response.error();
  context.out() << response.body;
  context.out().flush();
  return kOk;
}

}  // namespace

Command get_command() {
  return {
      .name = "get",
      .group = "See what is",
      .usage = "TYPE[,TYPE] [NAME...] | TYPE/NAME...",
      .summary = "Show objects as a table, or as YAML, JSON, names or chosen fields",
      .help =
          "Types go by plural, singular, kind or short name; \"all\" and \"gantry\" are categories.\n"
          "\n"
          "Examples:\n"
          "  gantry get apps                                  # of the namespace\n"
          "  gantry get apps -A -o wide                       # of all, with more columns\n"
          "  gantry get app web -o yaml\n"
          "  gantry get apps,secrets -l team=shop\n"
          "  gantry get apps -w                               # and go on showing what changes\n"
          "  gantry get app web -o jsonpath='{.status.urls[0]}{\"\\n\"}'\n"
          "  gantry get apps -o custom-columns=NAME:.metadata.name,READY:.status.readyReplicas\n"
          "  gantry get --raw /metrics\n",
      .flags =
          {kOutputFlag,
           {.name = "watch", .letter = 'w', .help = "go on with every change", .sourced = false},
           {.name = "watch-only", .help = "changes only, not what is there now", .sourced = false},
           {.name = "all-namespaces", .letter = 'A', .help = "of every namespace", .sourced = false},
           {.name = "selector",
            .letter = 'l',
            .value = "LABELS",
            .help = "only what carries these labels: a=b,c!=d,e in (f,g)"},
           {.name = "field-selector", .value = "FIELDS", .help = "only where these fields match: metadata.name=web"},
           {.name = "sort-by", .value = "PATH", .help = "order by this field: .metadata.creationTimestamp"},
           {.name = "no-headers", .help = "rows only"},
           {.name = "show-kind", .help = "write the kind before the name"},
           {.name = "show-labels", .help = "all labels in a last column"},
           {.name = "label-columns",
            .letter = 'L',
            .value = "LABEL",
            .help = "one label in a column; may be repeated",
            .repeated = true},
           {.name = "show-managed-fields", .help = "do not hide metadata.managedFields"},
           {.name = "ignore-not-found", .help = "what is absent is no error"},
           {.name = "raw",
            .value = "PATH",
            .help = "the server's own answer: /metrics, /readyz?verbose",
            .sourced = false},
           {.name = "chunk-size", .value = "N", .help = "how many objects to ask for at a time", .otherwise = "500"}},
      .run =
          [](Context& context) {
            if (context.flags().given("raw")) return get_raw(context, context.flags().text("raw"));
            return Get(context).run();
          },
  };
}

}  // namespace gantry::cli
