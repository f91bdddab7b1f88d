#include "providers/source/source_store.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "controller/base/digest.hpp"
#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "providers/local/posix.hpp"

namespace gantry::providers::source {
namespace {

constexpr Duration kRetryFirst = std::chrono::seconds(5);

// What tells one version of a file from another without reading it; empty for a folder.
std::string identity_of(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0)
    throw Error(errno == ENOENT || errno == ENOTDIR ? ErrorCode::NotFound : ErrorCode::Forbidden,
                "cannot read the code " + path + ": " + local::errno_text(errno));
  if (!S_ISREG(found.st_mode)) return "";
  return std::to_string(found.st_ino) + " " + std::to_string(found.st_size) + " " +
         std::to_string(found.st_mtim.tv_sec) + "." + std::to_string(found.st_mtim.tv_nsec) + " " +
         std::to_string(found.st_ctim.tv_sec) + "." + std::to_string(found.st_ctim.tv_nsec);
}

}  // namespace

struct SourceStore::Repository {
  explicit Repository(Reactor& reactor, std::string where) : checkout(where), folder(std::move(where)), free(reactor) {}
  GitCheckout checkout;
  std::string folder;
  bool busy = false;
  Signal free;
  Instant used{};
};

struct SourceStore::Place {
  std::shared_ptr<Repository> repository;
  GitPlace found;
  std::string digest;
  std::string problem;
  std::string ask;
  std::set<std::string> owners;
  Instant due{};
  Duration pause = kRetryFirst;
  bool fetching = false;
};

SourceStore::SourceStore(Reactor& reactor, Blocking& blocking, std::string folder, ArchiveLimits limits)
    : reactor_(reactor),
      blocking_(blocking),
      folder_(std::move(folder)),
      limits_(limits),
      code_(reactor, blocking, folder_),
      gate_(reactor) {}

SourceStore::~SourceStore() = default;

Task<> SourceStore::open() {
  co_await blocking_.run(reactor_, [work = folder_ + "/work"] {
    local::remove_folder(work);
    files::make_directories(work, 0700);
  });
}

Task<> SourceStore::close() { co_await gate_.close(); }

void SourceStore::tell(const std::string& owner_uid) {
  for (const auto& listener : listeners_) listener(owner_uid);
}

std::string SourceStore::staged(const std::string& digest) const {
  // Other digests (of an image, say) are of nothing that lies here.
  return digest.size() == 71 && digest.starts_with("sha256:") ? code_.staged(digest) : std::string();
}

std::string SourceStore::work_folder() { return folder_ + "/work/" + std::to_string(++works_); }

Task<CodeFound> SourceStore::look(CodeSource source) {
  if (source.kind == CodeSource::Kind::Git) co_return look_at_git(source);
  if (source.kind == CodeSource::Kind::Path) co_return co_await look_at_path(std::move(source));
  CodeFound found;
  found.digest = source.upload;
  found.staged = !staged(source.upload).empty();
  if (!found.staged) found.problem = "what was uploaded as " + source.upload + " is not kept any more; deploy it again";
  co_return found;
}

// ---------------------------------------------------------------- paths and archives

Task<CodeFound> SourceStore::look_at_path(CodeSource source) {
  CodeFound found;
  try {
    const std::string identity = co_await blocking_.run(reactor_, [path = source.path] { return identity_of(path); });
    if (identity.empty()) {
      found.digest = co_await code_.digest(source.path);
    } else {
      const auto known = archives_.find(source.path);
      if (known == archives_.end() || known->second.identity != identity || staged(known->second.digest).empty())
        archives_[source.path] = {identity, co_await take_in(source.path)};
      found.digest = archives_[source.path].digest;
    }
  } catch (const Error& error) {
    found.problem = error.message();
  }
  found.staged = !staged(found.digest).empty();
  co_return found;
}

Task<std::string> SourceStore::take_in(std::string archive) {
  const auto pass = gate_.enter();
  const std::string work = work_folder();
  std::exception_ptr failure;
  std::string digest;
  try {
    co_await blocking_.run(reactor_, [archive, work, limits = limits_] {
      files::make_directories(files::directory_of(work), 0700);
      unpack(archive, work, limits);
    });
    digest = co_await stage_folder(work);
  } catch (const Error&) {
    failure = std::current_exception();
  }
  co_await blocking_.run(reactor_, [work] { local::remove_folder(work); });
  if (failure) std::rethrow_exception(failure);
  co_return digest;
}

Task<std::string> SourceStore::stage_folder(std::string folder) {
  std::string digest = co_await blocking_.run(reactor_, [folder] { return local::source_digest(folder); });
  co_await code_.stage(std::move(folder), digest);
  co_return digest;
}

Task<> SourceStore::stage(CodeSource source, std::string digest) {
  const auto pass = gate_.enter();
  if (!staged(digest).empty()) co_return;
  if (source.kind == CodeSource::Kind::Path) {
    co_await code_.stage(source.path, digest);
    co_return;
  }
  // Uploads and commits are copied as they are found: looking again finds them again.
  for (auto& [name, place] : places_) {
    if (place->digest == digest) place->due = Instant{};
  }
  throw Error(ErrorCode::Conflict, "the copy of " + digest + " is gone; it is fetched again");
}

// ---------------------------------------------------------------- git

CodeFound SourceStore::look_at_git(const CodeSource& source) {
  const std::string at = sha256_hex(source.scope + "\n" + source.url).substr(0, 32);
  auto& repository = repositories_[at];
  if (!repository) repository = std::make_shared<Repository>(reactor_, folder_ + "/git/" + at);
  auto& place = places_[at + "\n" + source.ref + "\n" + source.path];
  if (!place) {
    place = std::make_shared<Place>();
    place->repository = repository;
    place->ask = source.ask;
  }
  repository->used = reactor_.now();
  place->owners.insert(source.owner_uid);
  const bool asked = place->ask != source.ask;
  if (!place->fetching && !gate_.closed() && (asked || reactor_.now() >= place->due)) {
    place->ask = source.ask;
    place->fetching = true;
    reactor_.spawn(refresh(place, source, gate_.enter()));
  }
  CodeFound found;
  found.digest = place->digest;
  found.revision = place->found.commit;
  found.staged = !staged(place->digest).empty();
  found.fetching = place->fetching;
  found.problem = place->problem;
  if (!place->fetching) found.look_again = std::max<Duration>(place->due - reactor_.now(), std::chrono::seconds(1));
  return found;
}

Task<> SourceStore::refresh(PlacePtr place, CodeSource source, Gate::Pass) {
  const std::string before = place->digest + place->problem;
  std::string problem;
  while (place->repository->busy) co_await place->repository->free.wait();
  place->repository->busy = true;
  try {
    co_await fetch(place, source);
  } catch (const Error& error) {
    problem = error.message();
  }
  place->repository->busy = false;
  place->repository->free.notify_one();
  if (!problem.empty() && problem != place->problem)
    log_.warn("a repository could not be fetched", {{"url", source.url}, {"error", problem}});
  place->problem = problem;
  place->pause = problem.empty() ? kRetryFirst : std::min<Duration>(place->pause * 2, source.interval);
  place->due = reactor_.now() + (problem.empty() ? source.interval : std::min(place->pause, source.interval));
  place->fetching = false;
  for (const auto& owner : place->owners) tell(owner);
}

Task<> SourceStore::fetch(PlacePtr place, CodeSource source) {
  const auto repository = place->repository;
  const GitPlace found = co_await blocking_.run(reactor_, [repository, source] {
    return repository->checkout.look(source.url, source.ref, source.path, source.credentials);
  });
  if (found.tree != place->found.tree || staged(place->digest).empty()) {
    const std::string work = work_folder();
    std::exception_ptr failure;
    std::string digest;
    try {
      co_await blocking_.run(reactor_, [repository, found, work] {
        files::make_directories(files::directory_of(work), 0700);
        repository->checkout.write(found, work);
      });
      digest = co_await stage_folder(work);
    } catch (const Error&) {
      failure = std::current_exception();
    }
    co_await blocking_.run(reactor_, [work] {
      local::remove_folder(work);
      local::remove_folder(work + ".new");
    });
    if (failure) std::rethrow_exception(failure);
    place->digest = digest;
  }
  place->found = found;
}

Task<> SourceStore::keep_only(std::set<std::string> digests, Duration younger) {
  const auto pass = gate_.enter();
  std::set<std::string> repositories;
  for (auto at = places_.begin(); at != places_.end();) {
    const bool unused = !at->second->fetching && reactor_.now() - at->second->repository->used > younger;
    if (unused) {
      at = places_.erase(at);
    } else {
      digests.insert(at->second->digest);
      repositories.insert(at->second->repository->folder);
      ++at;
    }
  }
  digests.erase("");
  std::erase_if(repositories_, [&](const auto& one) { return !repositories.contains(one.second->folder); });
  co_await code_.keep_only(std::move(digests), younger);
  co_await blocking_.run(reactor_, [git = folder_ + "/git", repositories, younger, now = reactor_.clock().wall()] {
    for (const auto& name : local::names_in(git)) {
      const std::string path = git + "/" + name;
      if (!repositories.contains(path) && local::older_than(path, younger, now)) local::remove_folder(path);
    }
  });
}

}  // namespace gantry::providers::source
