// A reactor on the test's own thread, real time, and a folder of its own that goes away with the test.
#pragma once

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "controller/base/blocking.hpp"
#include "controller/base/error.hpp"
#include "controller/base/reactor.hpp"

namespace gantry::providers::local {

class Folder {
 public:
  Folder() {
    std::string name = testing::TempDir() + "gantry-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  void write(std::string_view name, std::string_view text, int mode = 0644) const {
    const std::filesystem::path file = *this / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    std::filesystem::permissions(file, static_cast<std::filesystem::perms>(mode));
  }
  std::string read(std::string_view name) const {
    std::ostringstream text;
    text << std::ifstream(*this / name, std::ios::binary).rdbuf();
    return text.str();
  }

 private:
  std::string path_;
};

namespace detail {
template <class T>
Task<> keep(Task<T> task,
            std::shared_ptr<std::optional<std::variant<std::exception_ptr, gantry::detail::Stored<T>>>> out) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(task);
      out->emplace(gantry::detail::Unit{});
    } else {
      out->emplace(co_await std::move(task));
    }
  } catch (...) {
    out->emplace(std::current_exception());
  }
}
}  // namespace detail

class Machine {
 public:
  Reactor reactor{"test", system_clock()};
  ThreadPool blocking{"test-io", 2};

  // Runs the reactor until the condition holds. False when it does not within the limit, which is for broken code only.
  template <class Condition>
  bool until(Condition holds, Duration limit = std::chrono::seconds(20)) {
    const Instant deadline = reactor.now() + limit;
    while (!holds()) {
      if (reactor.now() > deadline) return false;
      reactor.context().run_one_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  template <class T>
  T await(Task<T> task) {
    auto out = std::make_shared<std::optional<std::variant<std::exception_ptr, gantry::detail::Stored<T>>>>();
    reactor.spawn(detail::keep(std::move(task), out));
    if (!until([&] { return out->has_value(); }, std::chrono::seconds(60)))
      throw std::runtime_error("the task does not end");
    if ((*out)->index() == 0) std::rethrow_exception(std::get<0>(**out));
    if constexpr (!std::is_void_v<T>) return std::move(std::get<1>(**out));
  }

  // To its end.
  template <class Reader>
  std::string read_all(Reader& reader) {
    std::string all;
    for (std::string piece = await(reader.next()); !piece.empty(); piece = await(reader.next())) all += piece;
    return all;
  }

  // The message of the Error that the task ends with; its code goes to `code`.
  template <class T>
  std::string error_of(Task<T> task, ErrorCode* code = nullptr) {
    try {
      await(std::move(task));
    } catch (const Error& error) {
      if (code) *code = error.code();
      return error.what();
    }
    return "(no error)";
  }
};

}  // namespace gantry::providers::local
