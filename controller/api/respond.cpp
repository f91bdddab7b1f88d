#include "controller/api/respond.hpp"

#include <algorithm>

#include "controller/api/status.hpp"

namespace gantry::api {
namespace {

using verbs::Feed;
using verbs::Notice;

constexpr std::size_t kWarningsTotal = 4096;
constexpr std::size_t kWarningLong = 256;

std::string list_metadata(const Listed& listed) {
  json::Object metadata{{"resourceVersion", std::to_string(listed.revision)}};
  if (!listed.continue_token.empty()) metadata.set("continue", listed.continue_token);
  if (listed.remaining) metadata.set("remainingItemCount", static_cast<std::int64_t>(*listed.remaining));
  return json::dump(metadata);
}

std::string list_head(std::string_view api_version, std::string_view kind, std::string_view metadata) {
  std::string out = "{\"apiVersion\":\"";
  return out.append(api_version)
      .append("\",\"kind\":\"")
      .append(kind)
      .append("\",\"metadata\":")
      .append(metadata)
      .append(",\"items\":[");
}

HttpResponse plain_list(const Served& served, Listed& listed) {
  HttpResponse response;
  response.body.reserve(listed.items.size() * 2 + 2);
  response.body.emplace_back(list_head(served.api_version, served.list_kind, list_metadata(listed)));
  bool first = true;
  for (auto& item : listed.items) {
    if (!std::exchange(first, false)) response.body.emplace_back(std::string(","));
    response.body.emplace_back(std::move(item));
  }
  response.body.emplace_back(std::string("]}\n"));
  return response;
}

// A list that is rewritten item by item: as a table, as metadata alone, or in another version. A page is written at
// once; a long list goes out page by page, so that the front can serve others in between.
class RewrittenList final : public BodyStream {
 public:
  RewrittenList(Reactor& front, ServedPtr served, std::vector<ObjectPtr> items, Shape shape)
      : front_(front),
        served_(std::move(served)),
        items_(std::move(items)),
        shape_(shape),
        now_(front.clock().wall()) {}

  bool fits_one_page() const { return items_.size() <= kPage; }

  void append_page(std::string& out) {
    for (const std::size_t end = std::min(at_ + kPage, items_.size()); at_ < end; ++at_) {
      if (at_ > 0) out += ',';
      const ObjectPtr item = std::move(items_[at_]);
      if (shape_.form == Form::Table) {
        served_->table->append_row(out, *served_->tabled(item), shape_.include, now_);
      } else if (shape_.form == Form::Metadata) {
        append_partial(out, *served_->shown(item));
      } else {
        out += served_->shown(item)->bytes();
      }
    }
    if (at_ < items_.size()) return;
    out += "]}\n";
    over_ = true;
  }

  Task<std::vector<Piece>> next() override {
    std::vector<Piece> pieces;
    if (over_) co_return pieces;
    co_await asio::post(front_.executor(), use_task);
    std::string out;
    out.reserve(page_size_);
    append_page(out);
    page_size_ = out.size() + out.size() / 8;
    pieces.emplace_back(std::move(out));
    co_return pieces;
  }

  void close() override { over_ = true; }

 private:
  static constexpr std::size_t kPage = 500;

  Reactor& front_;
  ServedPtr served_;
  std::vector<ObjectPtr> items_;
  Shape shape_;
  WallTime now_;
  std::size_t at_ = 0;
  std::size_t page_size_ = 0;  // of the next page, as the last one was
  bool over_ = false;
};

std::string rewritten_head(const Served& served, const Listed& listed, Form form) {
  if (form == Form::Plain) return list_head(served.api_version, served.list_kind, list_metadata(listed));
  if (form == Form::Metadata) return list_head("meta.k8s.io/v1", "PartialObjectMetadataList", list_metadata(listed));
  std::string out = "{\"apiVersion\":\"meta.k8s.io/v1\",\"kind\":\"Table\",\"metadata\":";
  out.append(list_metadata(listed)).append(",\"columnDefinitions\":").append(served.table->definitions());
  return out.append(",\"rows\":[");
}

HttpResponse rewritten_list(Reactor& front, const ServedPtr& served, Listed& listed, Shape shape) {
  HttpResponse response;
  std::string head = rewritten_head(*served, listed, shape.form);
  auto list = std::make_unique<RewrittenList>(front, served, std::move(listed.items), shape);
  const bool whole = list->fits_one_page();
  if (whole) list->append_page(head);
  response.body.emplace_back(std::move(head));
  if (!whole) response.stream = std::move(list);
  return response;
}

std::string_view type_of(Notice::Type type) {
  switch (type) {
    case Notice::Type::Added:
      return "ADDED";
    case Notice::Type::Modified:
      return "MODIFIED";
    case Notice::Type::Deleted:
      return "DELETED";
    case Notice::Type::Bookmark:
      return "BOOKMARK";
  }
  return "";
}

class WatchBody final : public BodyStream {
 public:
  WatchBody(ServedPtr served, std::unique_ptr<Feed> feed, Shape shape, const Clock& clock)
      : served_(std::move(served)), feed_(std::move(feed)), shape_(shape), clock_(clock) {}

  Task<std::vector<Piece>> next() override {
    std::vector<Piece> pieces;
    if (over_) co_return pieces;
    try {
      const auto notices = co_await feed_->next();
      pieces.reserve(notices.size());
      for (const auto& notice : notices) write(notice, pieces);
    } catch (const Error& error) {
      // Told in the stream, as upstream does: by now the answer is 200.
      over_ = true;
      pieces.emplace_back("{\"type\":\"ERROR\",\"object\":" + json::dump(to_status(error)) + "}\n");
    }
    co_return pieces;
  }

  void close() override { feed_->close(); }

 private:
  void write(const Notice& notice, std::vector<Piece>& pieces) {
    if (shape_.form == Form::Plain && notice.event && !served_->view) {
      pieces.emplace_back(notice.event);
      return;
    }
    std::string head = "{\"type\":\"";
    head.append(type_of(notice.type)).append("\",\"object\":");
    if (notice.type == Notice::Type::Bookmark) {
      pieces.emplace_back(head.append(bookmark(notice)).append("}\n"));
    } else if (shape_.form == Form::Plain) {
      pieces.emplace_back(std::move(head));
      pieces.emplace_back(served_->shown(notice.object));
      pieces.emplace_back(std::string("}\n"));
    } else if (shape_.form == Form::Table) {
      head += served_->table->of_one(*served_->tabled(notice.object), shape_.include, clock_.wall(),
                                     std::exchange(define_columns_, false));
      pieces.emplace_back(head.append("}\n"));
    } else {
      append_partial(head, *served_->shown(notice.object));
      pieces.emplace_back(head.append("}\n"));
    }
  }

  std::string bookmark(const Notice& notice) const {
    json::Object metadata{{"resourceVersion", std::to_string(notice.revision)}};
    if (notice.initial_end) metadata.set("annotations", json::Object{{"k8s.io/initial-events-end", "true"}});
    if (shape_.form == Form::Table) return served_->table->empty(json::dump(metadata));
    const bool whole = shape_.form == Form::Plain;
    return json::dump(json::Object{{"apiVersion", whole ? served_->api_version : std::string("meta.k8s.io/v1")},
                                   {"kind", whole ? served_->kind->kind : std::string("PartialObjectMetadata")},
                                   {"metadata", std::move(metadata)}});
  }

  ServedPtr served_;
  std::unique_ptr<Feed> feed_;
  Shape shape_;
  const Clock& clock_;
  bool define_columns_ = true;
  bool over_ = false;
};

}  // namespace

HttpResponse json_response(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.body.emplace_back(std::move(body));
  return response;
}

HttpResponse json_response(int status, const json::Value& body) { return json_response(status, json::dump(body)); }

HttpResponse text_response(int status, std::string body) {
  HttpResponse response = json_response(status, std::move(body));
  response.content_type = "text/plain; charset=utf-8";
  return response;
}

HttpResponse object_response(const Served& served, int status, const ObjectPtr& object, Shape shape, WallTime now) {
  HttpResponse response;
  response.status = status;
  if (shape.form == Form::Plain) {
    response.body.emplace_back(served.shown(object));
  } else if (shape.form == Form::Table) {
    response.body.emplace_back(served.table->of_one(*served.tabled(object), shape.include, now));
  } else {
    std::string out;
    append_partial(out, *served.shown(object));
    response.body.emplace_back(std::move(out));
  }
  return response;
}

HttpResponse list_response(Reactor& front, const ServedPtr& served, Listed listed, Shape shape) {
  const bool as_stored = shape.form == Form::Plain && !served->view;
  return as_stored ? plain_list(*served, listed) : rewritten_list(front, served, listed, shape);
}

HttpResponse watch_response(const ServedPtr& served, std::unique_ptr<Feed> feed, Shape shape, const Clock& clock) {
  HttpResponse response;
  response.stream = std::make_unique<WatchBody>(served, std::move(feed), shape, clock);
  return response;
}

void add_warnings(HttpResponse& response, const Warnings& warnings) {
  std::vector<std::string> told;
  std::size_t total = 0;
  for (const auto& warning : warnings) total += warning.size();
  for (std::string text : warnings) {
    std::erase_if(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
    if (total > kWarningsTotal && text.size() > kWarningLong) {
      std::size_t end = kWarningLong;
      while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
      text.resize(end);
    }
    if (std::ranges::find(told, text) != told.end()) continue;
    std::string header = "299 - \"";
    for (const char c : text) {
      if (c == '"' || c == '\\') header += '\\';
      header += c;
    }
    response.headers.emplace_back("Warning", header + '"');
    told.push_back(std::move(text));
  }
}

}  // namespace gantry::api
