#include "providers/source/git_repository.hpp"

#include <git2.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"

namespace gantry::providers::source {
namespace {

namespace fs = std::filesystem;

template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* handle) const { Free(handle); }
};
using Repository = std::unique_ptr<git_repository, Freed<git_repository, git_repository_free>>;
using Remote = std::unique_ptr<git_remote, Freed<git_remote, git_remote_free>>;
using GitObject = std::unique_ptr<git_object, Freed<git_object, git_object_free>>;

[[noreturn]] void fail(int code, const std::string& doing) {
  const git_error* last = git_error_last();
  const std::string why = last && last->message ? log::redacted(last->message) : "error " + std::to_string(code);
  if (code == GIT_EAUTH || why.find("401") != std::string::npos || why.find("403") != std::string::npos ||
      why.find("authentication") != std::string::npos) {
    throw Error(ErrorCode::Unauthorized,
                doing + ": the server refused the credentials (" + why + "); check spec.git.secretRef");
  }
  throw Error(code == GIT_ENOTFOUND ? ErrorCode::NotFound : ErrorCode::Unavailable, doing + ": " + why);
}

void check(int code, const std::string& doing) {
  if (code < 0) fail(code, doing);
}

struct Session {
  const GitCredentials& credentials;
  int asked = 0;
};

int give_credentials(git_credential** out, const char*, const char* user_from_url, unsigned int allowed,
                     void* payload) {
  auto& session = *static_cast<Session*>(payload);
  if (++session.asked > 2) return GIT_EAUTH;  // refused already: asking for ever would lock the account
  const auto& given = session.credentials;
  const std::string user = !given.username.empty() ? given.username : user_from_url ? user_from_url : "git";
  if ((allowed & GIT_CREDENTIAL_SSH_MEMORY) && !given.ssh_private_key.empty()) {
    return git_credential_ssh_key_memory_new(out, user.c_str(), nullptr, given.ssh_private_key.reveal().c_str(),
                                             nullptr);
  }
  if ((allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) && !given.password.empty()) {
    return git_credential_userpass_plaintext_new(out, user.c_str(), given.password.reveal().c_str());
  }
  if (allowed & GIT_CREDENTIAL_USERNAME) return git_credential_username_new(out, user.c_str());
  return GIT_EAUTH;
}

void refuse_secrets_in(const std::string& url) {
  const auto scheme = url.find("://");
  const auto at = url.find('@', scheme == std::string::npos ? 0 : scheme);
  const auto colon = scheme == std::string::npos ? std::string::npos : url.find(':', scheme + 3);
  if (scheme != std::string::npos && at != std::string::npos && colon < at && url.find('/', scheme + 3) > at) {
    throw Error(ErrorCode::Invalid,
                "spec.git.url carries a password, which would be stored and shown; put it into a Secret and name that "
                "in spec.git.secretRef");
  }
}

Repository open_bare(const std::string& path) {
  git_repository* raw = nullptr;
  if (git_repository_open_bare(&raw, path.c_str()) == 0) return Repository(raw);
  // Absent, or left broken by a crash while it was made.
  std::error_code ignored;
  fs::remove_all(path, ignored);
  check(git_repository_init(&raw, path.c_str(), 1), "making the repository " + path);
  return Repository(raw);
}

GitObject resolve(git_repository* repository, const std::string& ref) {
  const std::vector<std::string> names =
      ref.empty() ? std::vector<std::string>{"refs/gantry/HEAD"}
                  : std::vector<std::string>{"refs/gantry/heads/" + ref, "refs/tags/" + ref,
                                             ref.size() == 40 ? ref : "refs/gantry/heads/" + ref};
  for (const auto& name : names) {
    git_object* raw = nullptr;
    if (git_revparse_single(&raw, repository, (name + "^{commit}").c_str()) == 0) return GitObject(raw);
  }
  throw Error(ErrorCode::NotFound, "the repository has no branch, tag or commit \"" + ref + "\"");
}

// What one fetch may bring, so that a repository cannot fill the disk.
constexpr std::size_t kFetchMax = 2ULL << 30;

int stop_what_is_too_large(const git_indexer_progress* progress, void*) {
  return progress->received_bytes > kFetchMax ? GIT_EUSER : 0;
}

void write_tree(git_repository* repository, const git_object* tree, const std::string& folder) {
  git_checkout_options options;
  git_checkout_options_init(&options, GIT_CHECKOUT_OPTIONS_VERSION);
  options.checkout_strategy = GIT_CHECKOUT_FORCE | GIT_CHECKOUT_DONT_UPDATE_INDEX;
  options.target_directory = folder.c_str();
  files::make_directories(folder, 0700);
  check(git_checkout_tree(repository, tree, &options), "checking out " + folder);
}

std::string id_of(const git_object* object) {
  char id[GIT_OID_HEXSZ + 1];
  return git_oid_tostr(id, sizeof id, git_object_id(object));
}

void fetch_all(git_repository* repository, const std::string& url, Session& session) {
  git_remote* raw = nullptr;
  check(git_remote_create_anonymous(&raw, repository, url.c_str()), "reading the URL");
  const Remote remote(raw);
  git_fetch_options options;
  git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
  options.callbacks.credentials = give_credentials;
  options.callbacks.payload = &session;
  options.callbacks.transfer_progress = stop_what_is_too_large;
  options.prune = GIT_FETCH_PRUNE;
  options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_ALL;
  char heads[] = "+refs/heads/*:refs/gantry/heads/*";
  char head[] = "+HEAD:refs/gantry/HEAD";
  char* list[] = {heads, head};
  const git_strarray refspecs{list, 2};
  const int code = git_remote_fetch(remote.get(), &refspecs, &options, nullptr);
  if (code == GIT_EUSER)
    throw Error(ErrorCode::TooLarge, "fetching " + url + ": the repository is larger than 2 GiB, which is the most");
  check(code, "fetching " + url);
}

Repository opened(const std::string& directory) {
  static const int initialized = git_libgit2_init();
  (void)initialized;
  files::make_directories(directory, 0700);
  return open_bare(files::join(directory, "repo.git"));
}

Repository fetched(const std::string& directory, const std::string& url, const GitCredentials& credentials) {
  refuse_secrets_in(url);
  Repository repository = opened(directory);
  Session session{credentials, 0};
  fetch_all(repository.get(), url, session);
  return repository;
}

}  // namespace

Checkout GitRepository::fetch(const std::string& url, const std::string& ref, const GitCredentials& credentials) {
  const Repository repository = fetched(directory_, url, credentials);
  const GitObject commit = resolve(repository.get(), ref);

  Checkout result;
  result.commit = id_of(commit.get());
  result.folder = files::join(directory_, "tree-" + result.commit);
  if (!fs::is_directory(result.folder)) {
    // Checked out beside, then renamed: a folder with a commit's name holds the whole commit.
    const std::string fresh = files::join(directory_, "checkout");
    fs::remove_all(fresh);
    write_tree(repository.get(), commit.get(), fresh);
    fs::rename(fresh, result.folder);
  }
  for (const auto& entry : fs::directory_iterator(directory_)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("tree-") && entry.path() != result.folder) fs::remove_all(entry.path());
  }
  return result;
}

GitPlace GitRepository::look(const std::string& url, const std::string& ref, const std::string& path,
                             const GitCredentials& credentials) {
  const Repository repository = fetched(directory_, url, credentials);
  const GitObject commit = resolve(repository.get(), ref);
  std::string inside = fs::path(path).lexically_normal().relative_path().string();
  while (inside.ends_with('/')) inside.pop_back();
  if (inside == ".") inside.clear();
  if (inside == ".." || inside.starts_with("../"))
    throw Error(ErrorCode::Invalid, "the path \"" + path + "\" leads out of the repository");
  git_object* raw = nullptr;
  const std::string name = id_of(commit.get()) + ":" + inside;
  if (git_revparse_single(&raw, repository.get(), name.c_str()) != 0)
    throw Error(ErrorCode::NotFound, "commit " + id_of(commit.get()) + " has no folder \"" + path + "\"");
  const GitObject tree(raw);
  if (git_object_type(tree.get()) != GIT_OBJECT_TREE)
    throw Error(ErrorCode::Invalid, "\"" + path + "\" of commit " + id_of(commit.get()) + " is a file, not a folder");
  return {id_of(commit.get()), id_of(tree.get())};
}

void GitRepository::write(const GitPlace& place, const std::string& folder) {
  const Repository repository = opened(directory_);
  git_object* raw = nullptr;
  check(git_revparse_single(&raw, repository.get(), place.tree.c_str()), "reading " + place.commit);
  const GitObject tree(raw);
  const std::string fresh = folder + ".new";
  fs::remove_all(fresh);
  write_tree(repository.get(), tree.get(), fresh);
  fs::rename(fresh, folder);
}

}  // namespace gantry::providers::source
