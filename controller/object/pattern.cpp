#include "controller/object/pattern.hpp"

#include <re2/re2.h>

#include "controller/base/error.hpp"

namespace gantry::object {

struct Pattern::Compiled {
  re2::RE2 expression;
};

namespace {

re2::RE2::Options quiet() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  return options;
}

}  // namespace

Pattern::Pattern(std::string text) : text_(std::move(text)), compiled_(new Compiled{{text_, quiet()}}) {
  if (!compiled_->expression.ok()) {
    throw Error(ErrorCode::Invalid, "must be a valid regular expression, but isn't: " + compiled_->expression.error());
  }
}

Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

bool Pattern::found_in(std::string_view value) const {
  return re2::RE2::PartialMatch(re2::StringPiece(value.data(), value.size()), compiled_->expression);
}

}  // namespace gantry::object
