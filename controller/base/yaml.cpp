// Reading YAML: the stream is cut at its "---" lines first, so that a broken document hides no other; each piece then
// goes through yaml-cpp's event parser into a TreeBuilder, which makes json::Value without a tree in between.
#include "controller/base/yaml.hpp"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <map>
#include <streambuf>

#include "controller/base/error.hpp"
#include "controller/base/utf8.hpp"
#include "controller/base/yaml_scalar.hpp"

namespace gantry::yaml {
namespace {

// What is wrong, and where. Never leaves this file.
struct Broken {
  std::size_t line;
  std::string reason;
};

struct Weight {
  std::size_t nodes = 0;
  std::size_t bytes = 0;
};

Weight weigh(const json::Value& value) {
  Weight total{1, 0};
  const auto add = [&](const Weight& part) { total = {total.nodes + part.nodes, total.bytes + part.bytes}; };
  if (value.is_string()) {
    total.bytes = value.as_string().size();
  } else if (value.is_array()) {
    for (const auto& item : value.as_array()) add(weigh(item));
  } else if (value.is_object()) {
    for (const auto& [key, item] : value.as_object()) {
      add(weigh(item));
      total.bytes += key.size();
    }
  }
  return total;
}

constexpr std::string_view kStandardTag = "tag:yaml.org,2002:";

// The short forms of AWS CloudFormation (!Ref x, !Sub "..."), which api.md's Stack templates use, mean {"Ref": x}.
std::optional<std::string> function_of_tag(std::string_view tag) {
  if (tag.size() < 2 || tag[0] != '!') return std::nullopt;
  tag.remove_prefix(1);
  if (tag == "Ref" || tag == "Condition") return std::string(tag);
  constexpr std::string_view kFunctions[] = {"And",    "Base64", "Cidr",        "Equals", "FindInMap",    "GetAZs",
                                             "GetAtt", "If",     "ImportValue", "Join",   "Length",       "Not",
                                             "Or",     "Select", "Split",       "Sub",    "ToJsonString", "Transform"};
  for (const auto name : kFunctions) {
    if (tag == name) return "Fn::" + std::string(name);
  }
  return std::nullopt;
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  // first_line: where the piece stands in the stream, 1-based.
  TreeBuilder(const Limits& limits, std::size_t first_line) : limits_(limits), first_line_(first_line) {}

  // The document that HandleNextDocument has just read.
  Document take() {
    std::sort(document_.lines.begin(), document_.lines.end());
    return std::exchange(document_, {});
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    started_ = line(mark);
    document_ = {};
    frames_.clear();
    anchors_.clear();
    path_.clear();
    spent_ = {};
    kept_ = 0;
  }
  void OnDocumentEnd() override {}
  std::size_t started() const { return started_; }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { scalar(mark, anchor, json::Value()); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) throw Broken{line(mark), "an alias stands inside the node it refers to"};
    spend(mark, known->second.weight);
    put(mark, known->second.value);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    if (tag == "?") return scalar(mark, anchor, plain(mark, text), text == "<<");
    if (tag == "!" || tag == std::string(kStandardTag) + "str") return scalar(mark, anchor, json::Value(text));
    if (tag.starts_with(kStandardTag)) {
      const auto kind = std::string_view(tag).substr(kStandardTag.size());
      if (kind == "timestamp" || kind == "binary") return scalar(mark, anchor, json::Value(text));
      auto value = resolve_tagged(kind, text);
      if (!value) throw Broken{line(mark), "\"" + text.substr(0, 64) + "\" is not of the type !!" + std::string(kind)};
      return scalar(mark, anchor, std::move(*value));
    }
    const auto function = function_of_tag(tag);
    if (!function) throw_unknown_tag(mark, tag);
    json::Value argument(text);
    if (*function == "Fn::GetAtt" && text.contains('.')) {
      const auto dot = text.find('.');
      argument = json::Array{text.substr(0, dot), text.substr(dot + 1)};
    }
    scalar(mark, anchor, json::Object{{*function, std::move(argument)}});
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, true);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, false);
  }

  void OnSequenceEnd() override {
    Frame frame = pop();
    json::Value value(std::move(frame.items));
    close(frame, std::move(value));
  }

  void OnMapEnd() override {
    Frame frame = pop();
    std::vector<std::string> twice;
    frame.members.sort(&twice);
    for (const auto& key : twice) {
      std::string path = path_.empty() ? key : path_ + "." + key;
      if (may_keep(path)) document_.duplicates.push_back(std::move(path));
    }
    // "<<": what the map says itself wins over what it merges in, and earlier over later.
    for (auto& merged : frame.merged) {
      for (auto& [key, value] : merged) {
        if (!frame.members.contains(key)) frame.members.set(key, std::move(value));
      }
    }
    json::Value value(std::move(frame.members));
    close(frame, std::move(value));
  }

 private:
  struct Frame {
    bool is_sequence = false;
    YAML::anchor_t anchor = 0;
    YAML::Mark mark;
    std::optional<std::string> function;  // of a CloudFormation tag
    std::size_t path_length = 0;          // of path_ before anything of this node
    json::Array items;
    json::Object members;
    std::vector<json::Object> merged;
    std::optional<std::string> key;  // whose value comes next
    bool merging = false;            // the key is "<<"
  };
  struct Anchored {
    json::Value value;
    Weight weight;
  };

  std::size_t line(const YAML::Mark& mark) const {
    return first_line_ + static_cast<std::size_t>(std::max(mark.line, 0));
  }

  [[noreturn]] void throw_unknown_tag(const YAML::Mark& mark, const std::string& tag) const {
    throw Broken{line(mark), "the tag " + tag.substr(0, 64) + " is not known; quote the text if the tag is part of it"};
  }

  void spend(const YAML::Mark& mark, const Weight& weight) {
    spent_ = {spent_.nodes + weight.nodes, spent_.bytes + weight.bytes};
    if (spent_.nodes > limits_.nodes_max) {
      throw Broken{line(mark), "the document has more than " + std::to_string(limits_.nodes_max) +
                                   " values once its aliases are expanded"};
    }
    if (spent_.bytes > limits_.bytes_max) {
      throw Broken{line(mark), "the document has more than " + std::to_string(limits_.bytes_max) +
                                   " bytes once its aliases are expanded"};
    }
  }

  json::Value plain(const YAML::Mark& mark, const std::string& text) const {
    auto value = resolve_plain(text);
    if (!value) throw Broken{line(mark), text + " is a number that JSON cannot hold"};
    return std::move(*value);
  }

  // merge: as a key, a plain "<<" asks to merge its value in.
  void scalar(const YAML::Mark& mark, YAML::anchor_t anchor, json::Value value, bool merge = false) {
    const Weight weight = weigh(value);
    spend(mark, weight);
    if (anchor) anchors_[anchor] = {value, weight};
    put(mark, std::move(value), merge);
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, bool is_sequence) {
    auto function = function_of_tag(tag);
    if (!function && tag != "?" && tag != "!" && !tag.empty() &&
        tag != std::string(kStandardTag) + (is_sequence ? "seq" : "map"))
      throw_unknown_tag(mark, tag);
    if (frames_.size() >= limits_.depth_max)
      throw Broken{line(mark), "nested too deeply (at most " + std::to_string(limits_.depth_max) + " levels)"};
    if (!frames_.empty() && !frames_.back().is_sequence && !frames_.back().key)
      throw Broken{line(mark), "a mapping key must be text, not a list or a mapping"};
    spend(mark, {1, 0});
    if (frames_.empty()) document_.line = line(mark);
    enter_item(mark);
    Frame frame;
    frame.is_sequence = is_sequence;
    frame.anchor = anchor;
    frame.mark = mark;
    frame.function = std::move(function);
    frame.path_length = path_.size();
    frames_.push_back(std::move(frame));
  }

  Frame pop() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    path_.resize(frame.path_length);
    return frame;
  }

  void close(const Frame& frame, json::Value value) {
    if (frame.function) value = json::Object{{*frame.function, std::move(value)}};
    if (frame.anchor) anchors_[frame.anchor] = {value, weigh(value)};
    attach(frame.mark, std::move(value));
  }

  // A value that came in one event: a scalar or an alias. Or a key.
  void put(const YAML::Mark& mark, json::Value value, bool merge = false) {
    if (!frames_.empty() && !frames_.back().is_sequence && !frames_.back().key) return take_key(mark, value, merge);
    if (frames_.empty()) document_.line = line(mark);
    enter_item(mark);
    attach(mark, std::move(value));
  }

  void take_key(const YAML::Mark& mark, const json::Value& value, bool merge) {
    if (value.is_null() || value.is_array() || value.is_object())
      throw Broken{line(mark), "a mapping key must be text, not " + std::string(value.type_name())};
    Frame& frame = frames_.back();
    frame.key = value.is_string() ? value.as_string() : json::dump(value);
    frame.merging = merge;
    path_.append(path_.empty() ? "" : ".").append(*frame.key);
    record(mark);
  }

  // The path of the next list item; a mapping's is set by its key.
  void enter_item(const YAML::Mark& mark) {
    if (frames_.empty() || !frames_.back().is_sequence) return;
    path_ += "[" + std::to_string(frames_.back().items.size()) + "]";
    record(mark);
  }

  void record(const YAML::Mark& mark) {
    if (may_keep(path_)) document_.lines.emplace_back(path_, line(mark));
  }

  // Paths repeat their parents; a document made of long keys must not multiply its size by that.
  bool may_keep(const std::string& path) {
    constexpr std::size_t kKeptMax = 8 << 20;
    kept_ += path.size();
    return kept_ <= kKeptMax;
  }

  void attach(const YAML::Mark& mark, json::Value value) {
    if (frames_.empty()) {
      document_.value = std::move(value);
      return;
    }
    Frame& frame = frames_.back();
    path_.resize(frame.path_length);
    if (frame.is_sequence) {
      frame.items.push_back(std::move(value));
    } else if (std::exchange(frame.merging, false)) {
      frame.key.reset();
      merge(mark, frame, std::move(value));
    } else {
      frame.members.append_unsorted(std::move(*frame.key), std::move(value));
      frame.key.reset();
    }
  }

  void merge(const YAML::Mark& mark, Frame& frame, json::Value value) const {
    json::Array one;
    if (!value.is_array()) {
      one.push_back(std::move(value));
    } else {
      one = std::move(value.as_array());
    }
    for (auto& from : one) {
      if (!from.is_object()) throw Broken{line(mark), "<< merges mappings only"};
      frame.merged.push_back(std::move(from.as_object()));
    }
  }

  const Limits& limits_;
  std::size_t first_line_;
  std::size_t started_ = 0;
  Document document_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::string path_;
  Weight spent_;
  std::size_t kept_ = 0;
};

// Lets yaml-cpp read a string_view without a copy.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());
    setg(begin, begin, begin + text.size());
  }
};

struct Piece {
  std::string_view text;
  std::size_t first_line = 1;
};

bool is_marker(std::string_view line, std::string_view marker) {
  return line.starts_with(marker) && (line.size() == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\r');
}

// By the grammar no scalar, quoted or literal, may contain a line that starts with "---" or "...", so cutting there is
// safe, and each piece holds one document.
std::vector<Piece> split(std::string_view text) {
  std::vector<Piece> pieces;
  std::size_t start = 0;
  std::size_t first_line = 1;
  std::size_t number = 1;
  for (std::size_t at = 0; at < text.size(); ++number) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto line = text.substr(at, end - at);
    const bool ends = is_marker(line, "...");
    if (ends || is_marker(line, "---")) {
      pieces.push_back({text.substr(start, at - start), first_line});
      start = ends ? std::min(end + 1, text.size()) : at;
      first_line = ends ? number + 1 : number;
    }
    at = end + 1;
  }
  pieces.push_back({text.substr(start), first_line});
  return pieces;
}

// Only blank lines, comments and directives (%YAML 1.1).
bool says_nothing(std::string_view text) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto first = text.substr(0, end).find_first_not_of(" \t\r");
    if (first != std::string_view::npos && first < end && text[first] != '#' && !(first == 0 && text[0] == '%'))
      return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

void refuse_unreadable(const Piece& piece) {
  std::size_t line = piece.first_line;
  for (std::size_t at = 0; at < piece.text.size();) {
    const auto c = static_cast<unsigned char>(piece.text[at]);
    if (c == '\n') ++line;
    // yaml-cpp would take some of these for the end of the text.
    if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f)
      throw Broken{line, "a control character stands in the text"};
    const auto length = utf8_length(piece.text.substr(at));
    if (length == 0) throw Broken{line, "not valid UTF-8"};
    at += length;
  }
}

Document broken_document(const Broken& what) {
  Document document;
  document.line = what.line;
  document.error_line = what.line;
  document.error = "line " + std::to_string(what.line) + ": " + what.reason;
  return document;
}

void parse_piece(const Piece& piece, const Limits& limits, std::vector<Document>& documents) {
  if (says_nothing(piece.text)) return;
  try {
    refuse_unreadable(piece);
    ViewBuffer buffer(piece.text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    TreeBuilder builder(limits, piece.first_line);
    if (!parser.HandleNextDocument(builder)) return;
    Document document = builder.take();
    // yaml-cpp takes what stands after the end for a document of its own, and for ever more of them if it cannot read
    // it.
    if (parser.HandleNextDocument(builder))
      throw Broken{builder.started(), "unexpected text after the end of the document"};
    if (!document.value.is_null()) documents.push_back(std::move(document));
  } catch (const Broken& broken) {
    documents.push_back(broken_document(broken));
  } catch (const YAML::DeepRecursion& deep) {
    documents.push_back(broken_document(
        {piece.first_line + static_cast<std::size_t>(std::max(deep.mark.line, 0)), "nested too deeply"}));
  } catch (const YAML::Exception& error) {
    documents.push_back(
        broken_document({piece.first_line + static_cast<std::size_t>(std::max(error.mark.line, 0)), error.msg}));
  }
}

// JSON in a hurry. False: it is YAML after all (a flow mapping), or broken, and the YAML reader can say in which line.
bool parse_json(std::string_view text, const Limits& limits, std::vector<Document>& documents) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || (text[first] != '{' && text[first] != '[')) return false;
  try {
    Document document;
    document.line =
        1 + static_cast<std::size_t>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(first), '\n'));
    document.value = json::parse(text, &document.duplicates, {limits.depth_max});
    documents.push_back(std::move(document));
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

std::size_t Document::line_of(std::string_view path) const {
  for (;;) {
    const auto at = std::lower_bound(lines.begin(), lines.end(), path,
                                     [](const auto& entry, std::string_view p) { return entry.first < p; });
    if (at != lines.end() && at->first == path) return at->second;
    const auto cut = path.find_last_of(".[");
    if (cut == std::string_view::npos) return line;
    path = path.substr(0, cut);
  }
}

std::vector<Document> parse_all(std::string_view text, const Limits& limits) {
  std::vector<Document> documents;
  if (text.size() > limits.bytes_max) {
    documents.push_back(broken_document({1, "the text is larger than " + std::to_string(limits.bytes_max) + " bytes"}));
    return documents;
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (parse_json(text, limits, documents)) return documents;
  for (const auto& piece : split(text)) parse_piece(piece, limits, documents);
  return documents;
}

json::Value parse(std::string_view text) {
  auto documents = parse_all(text);
  for (const auto& document : documents) {
    if (!document.error.empty()) throw Error(ErrorCode::BadRequest, "YAML: " + document.error);
  }
  if (documents.size() != 1)
    throw Error(ErrorCode::BadRequest, "YAML: expected one document, found " + std::to_string(documents.size()));
  return std::move(documents.front().value);
}

}  // namespace gantry::yaml
