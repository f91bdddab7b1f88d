#include "controller/app/agent_archive.hpp"

#include <link.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <vector>

#include "controller/base/digest.hpp"
#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "providers/source/archive.hpp"

namespace gantry::app {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSha256Digits = 64;

// They belong to the kernel and to the C library of the machine: another's would not fit.
bool is_the_systems(const std::string& name) {
  constexpr std::array<std::string_view, 8> kTheirs{"ld-linux", "libc.so",  "libm.so",      "libpthread.so",
                                                    "libdl.so", "librt.so", "libresolv.so", "linux-vdso"};
  return std::ranges::any_of(kTheirs, [&](std::string_view start) { return name.starts_with(start); });
}

// As they were asked for: by soname, whatever the file behind it is called.
std::vector<std::string> loaded_libraries() {
  std::vector<std::string> paths;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* into) {
        const std::string path = info->dlpi_name;
        if (path.starts_with('/') && !is_the_systems(fs::path(path).filename().string()))
          static_cast<std::vector<std::string>*>(into)->push_back(path);
        return 0;
      },
      &paths);
  return paths;
}

// One build from another, without reading it.
std::string build_name() {
  struct stat info{};
  if (::stat("/proc/self/exe", &info) != 0) throw Error(ErrorCode::Unavailable, "this program's own file is gone");
  return std::to_string(info.st_size) + "-" + std::to_string(info.st_mtim.tv_sec) +
         std::to_string(info.st_mtim.tv_nsec);
}

void stage(const fs::path& folder) {
  fs::remove_all(folder);
  fs::create_directories(folder / "lib");
  fs::copy_file("/proc/self/exe", folder / "gantry");
  for (const auto& path : loaded_libraries())
    fs::copy_file(path, folder / "lib" / fs::path(path).filename(), fs::copy_options::skip_existing);
}

std::string write_archive(const fs::path& folder, const fs::path& file, const std::atomic<bool>& given_up) {
  providers::source::FolderTar::Options options;
  options.gzip = true;
  providers::source::FolderTar tar(folder.string(), options);
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  Sha256 digest;
  for (std::string piece = tar.next(); !piece.empty(); piece = tar.next()) {
    if (given_up) throw Error(ErrorCode::Cancelled, "the process ends");
    digest.add(piece);
    out.write(piece.data(), static_cast<std::streamsize>(piece.size()));
  }
  out.flush();
  if (!out) throw Error(ErrorCode::Unavailable, "cannot write " + file.string());
  return digest.hex();
}

}  // namespace

AgentArchive::AgentArchive(Reactor& loop, Blocking& blocking, std::string data_dir, std::string base_url,
                           std::string version)
    : loop_(loop),
      blocking_(blocking),
      folder_(files::join(data_dir, "agent-archive")),
      base_url_(std::move(base_url)),
      version_(std::move(version)) {}

void AgentArchive::open(std::function<void()> done) {
  if (base_url_.empty()) return;
  pending_ = true;
  loop_.spawn(pack_and_tell(std::move(done)));
}

Task<> AgentArchive::pack_and_tell(std::function<void()> done) {
  // By value: the process may end, and this with it, while the helper thread still packs.
  const Packed packed =
      co_await blocking_.run(loop_, [folder = folder_, given_up = given_up_] { return pack(folder, given_up); });
  pending_ = false;
  sha256_ = packed.sha256;
  const log::Logger logger("agent-archive");
  if (packed.problem.empty()) {
    logger.info("machines may fetch the agent", {{"url", source().url}});
  } else {
    logger.error("the agent could not be packed for other machines", {{"error", packed.problem}});
  }
  done();
}

AgentArchive::Packed AgentArchive::pack(const std::string& folder, const Flag& given_up) {
  std::string problem;
  try {
    files::make_directories(folder, 0700);
    const std::string known = files::join(folder, build_name());
    if (const auto sha256 = files::read_file_if_exists(known, kSha256Digits);
        sha256 && files::exists(files::join(folder, *sha256 + ".tar.gz")))
      return {*sha256, {}};
    const fs::path staged = fs::path(folder) / "staged";
    const fs::path unnamed = fs::path(folder) / "unnamed";
    stage(staged);
    const std::string sha256 = write_archive(staged, unnamed, *given_up);
    fs::remove_all(staged);
    fs::rename(unnamed, fs::path(folder) / (sha256 + ".tar.gz"));
    files::write_file_atomically(known, sha256, 0600);
    return {sha256, {}};
  } catch (const std::exception& error) {  // tidy: said in the log; Servers say that there is no agent to be had
    problem = error.what();
  }
  return {{}, problem};
}

reconcilers::provider::AgentSource AgentArchive::source() const {
  reconcilers::provider::AgentSource source;
  source.pending = pending_;
  if (pending_) source.version = version_;  // what an image is made of is known before it can be made
  if (sha256_.empty()) return source;
  source.url = base_url_ + "/agent/" + sha256_ + ".tar.gz";
  source.sha256 = sha256_;
  source.version = version_;
  source.reports = base_url_ + "/agent/builds/";
  return source;
}

std::string AgentArchive::file_of(const std::string& name) const {
  constexpr std::string_view kEnding = ".tar.gz";
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (name.size() != kSha256Digits + kEnding.size() || !name.ends_with(kEnding) ||
      !std::ranges::all_of(std::string_view(name).substr(0, kSha256Digits), is_digit))
    return {};
  std::string path = files::join(folder_, name);
  return files::exists(path) ? path : std::string();
}

}  // namespace gantry::app
