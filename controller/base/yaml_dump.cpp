// Writing YAML as kubectl does: plain where that reads back as the same string, otherwise quoted; text of several lines
// as a literal block. Long lines are never folded.
#include "controller/base/yaml.hpp"

#include <algorithm>
#include <utility>

#include "controller/base/yaml_scalar.hpp"

namespace gantry::yaml {
namespace {

struct Look {
  bool multi_line = false;
  bool unprintable = false;  // needs escapes, so double quotes
  bool plain = true;
  bool literal = true;
};

// U+0085, U+2028, U+2029 break lines in YAML 1.1, and U+FEFF is taken for a byte order mark.
bool is_odd_break(std::string_view text, std::size_t at) {
  const auto rest = text.substr(at);
  return rest.starts_with("\xC2\x85") || rest.starts_with("\xE2\x80\xA8") || rest.starts_with("\xE2\x80\xA9") ||
         rest.starts_with("\xEF\xBB\xBF");
}

Look look_at(std::string_view text) {
  Look look;
  const auto blank_at = [&](std::size_t i) { return i >= text.size() || text[i] == ' ' || text[i] == '\n'; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f || is_odd_break(text, i))
      look.unprintable = true;
    if (c == '\n') look.multi_line = true;
    if (c == ' ' && i + 1 < text.size() && text[i + 1] == '\n') look.literal = false;
    if (c == ':' && blank_at(i + 1)) look.plain = false;
    if (c == '#' && (i == 0 || blank_at(i - 1))) look.plain = false;
  }
  const std::string_view indicators = ",[]{}&*!|>'\"%@`";
  if (text.empty() || text.front() == ' ' || text.back() == ' ' || indicators.contains(text.front()))
    look.plain = false;
  if ((text.starts_with('-') || text.starts_with('?')) && blank_at(1)) look.plain = false;
  if (text.starts_with("---") || text.starts_with("...")) look.plain = false;
  if (look.unprintable || look.multi_line) look.plain = false;
  if (look.unprintable || text.ends_with(' ')) look.literal = false;
  return look;
}

// hh:mm:ss and the like: numbers in YAML 1.1, which older readers still take for such.
bool is_sexagesimal(std::string_view text) {
  return text.contains(':') && text.find_first_not_of("0123456789:._+-") == std::string_view::npos;
}

// 2026-11-21, or with a time behind it: a timestamp in YAML 1.1, which older readers make a date of.
bool is_timestamp(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&](std::size_t least, std::size_t most) {
    const std::size_t from = at;
    while (at < text.size() && at - from < most && text[at] >= '0' && text[at] <= '9') ++at;
    return at - from >= least;
  };
  const auto dash = [&] { return at < text.size() && text[at++] == '-'; };
  if (!digits(4, 4) || !dash() || !digits(1, 2) || !dash() || !digits(1, 2)) return false;
  return at == text.size() || std::string_view("Tt \t").contains(text[at]);
}

bool reads_back_as_itself(std::string_view text) {
  const auto read = resolve_plain(text);
  return read && read->is_string() && text != "<<" && text != "=" && !is_sexagesimal(text) && !is_timestamp(text);
}

void append_double_quoted(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (is_odd_break(text, i)) {
      const bool two = c == 0xC2;
      out += two ? "\\u0085" : c == 0xEF ? "\\uFEFF" : text[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
      i += two ? 1 : 2;
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += text[i];
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c < 0x20 || c == 0x7f) {
      out += "\\x";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += text[i];
    }
  }
  out += '"';
}

void append_single_quoted(std::string& out, std::string_view text) {
  out += '\'';
  for (const char c : text) {
    out += c;
    if (c == '\'') out += c;
  }
  out += '\'';
}

void append_literal(std::string& out, std::string_view text, std::size_t indent) {
  out += '|';
  if (text.front() == ' ' || text.front() == '\n') out += '2';
  if (!text.ends_with('\n')) out += '-';
  if (text.ends_with("\n\n") || text == "\n") out += '+';
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    out += '\n';
    if (end > 0) out.append(indent, ' ');
    out.append(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void append_string(std::string& out, std::string_view text, std::size_t indent, bool may_be_block) {
  const Look look = look_at(text);
  if (look.unprintable) return append_double_quoted(out, text);
  if (look.multi_line) {
    return look.literal && may_be_block ? append_literal(out, text, indent) : append_double_quoted(out, text);
  }
  if (!reads_back_as_itself(text)) return append_double_quoted(out, text);
  if (look.plain) {
    out += text;
  } else {
    append_single_quoted(out, text);
  }
}

bool is_block(const json::Value& value) {
  return (value.is_array() && !value.as_array().empty()) || (value.is_object() && !value.as_object().empty());
}

// Writes value where the cursor stands; `indent` is the column of its own lines.
void append(std::string& out, const json::Value& value, std::size_t indent);

void append_members(std::string& out, const json::Object& object, std::size_t indent) {
  constexpr std::size_t kSimpleKeyMax = 128;  // a longer one needs the explicit form
  bool first = true;
  for (const auto& [key, value] : object) {
    if (!std::exchange(first, false)) {
      out += '\n';
      out.append(indent, ' ');
    }
    const bool simple = key.size() <= kSimpleKeyMax;
    if (!simple) out += "? ";
    append_string(out, key, indent, false);
    if (!simple) {
      out += '\n';
      out.append(indent, ' ');
    }
    out += ':';
    if (is_block(value)) {
      // A list stands under its key without further indentation.
      const std::size_t below = value.is_array() && simple ? indent : indent + 2;
      out += '\n';
      out.append(below, ' ');
      append(out, value, below);
    } else {
      out += ' ';
      append(out, value, indent + 2);
    }
  }
}

void append(std::string& out, const json::Value& value, std::size_t indent) {
  if (value.is_string()) {
    append_string(out, value.as_string(), indent, true);
  } else if (value.is_object() && !value.as_object().empty()) {
    append_members(out, value.as_object(), indent);
  } else if (value.is_array() && !value.as_array().empty()) {
    bool first = true;
    for (const auto& item : value.as_array()) {
      if (!std::exchange(first, false)) {
        out += '\n';
        out.append(indent, ' ');
      }
      out += "- ";
      append(out, item, indent + 2);
    }
  } else {
    json::dump_to(out, value);
  }
}

}  // namespace

std::string dump(const json::Value& value) {
  std::string out;
  append(out, value, value.is_string() ? 2 : 0);
  out += '\n';
  return out;
}

}  // namespace gantry::yaml
