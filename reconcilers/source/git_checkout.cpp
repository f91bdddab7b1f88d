#include "reconcilers/source/git_checkout.hpp"

#include <git2.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"

namespace gantry::reconcilers::source {
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

void fetch_all(git_repository* repository, const std::string& url, Session& session) {
  git_remote* raw = nullptr;
  check(git_remote_create_anonymous(&raw, repository, url.c_str()), "reading the URL");
  const Remote remote(raw);
  git_fetch_options options;
  git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
  options.callbacks.credentials = give_credentials;
  options.callbacks.payload = &session;
  options.prune = GIT_FETCH_PRUNE;
  options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_ALL;
  char heads[] = "+refs/heads/*:refs/gantry/heads/*";
  char head[] = "+HEAD:refs/gantry/HEAD";
  char* list[] = {heads, head};
  const git_strarray refspecs{list, 2};
  check(git_remote_fetch(remote.get(), &refspecs, &options, nullptr), "fetching " + url);
}

}  // namespace

Checkout GitCheckout::fetch(const std::string& url, const std::string& ref, const GitCredentials& credentials) {
  static const int initialized = git_libgit2_init();
  (void)initialized;
  refuse_secrets_in(url);
  files::make_directories(directory_, 0700);
  const Repository repository = open_bare(files::join(directory_, "repo.git"));
  Session session{credentials, 0};
  fetch_all(repository.get(), url, session);
  const GitObject commit = resolve(repository.get(), ref);

  Checkout result;
  char id[GIT_OID_HEXSZ + 1];
  git_oid_tostr(id, sizeof id, git_object_id(commit.get()));
  result.commit = id;
  result.folder = files::join(directory_, "tree-" + result.commit);
  if (!fs::is_directory(result.folder)) {
    // Checked out beside, then renamed: a folder with a commit's name holds the whole commit.
    const std::string fresh = files::join(directory_, "checkout");
    fs::remove_all(fresh);
    git_checkout_options options;
    git_checkout_options_init(&options, GIT_CHECKOUT_OPTIONS_VERSION);
    options.checkout_strategy = GIT_CHECKOUT_FORCE | GIT_CHECKOUT_DONT_UPDATE_INDEX;
    options.target_directory = fresh.c_str();
    files::make_directories(fresh, 0700);
    check(git_checkout_tree(repository.get(), commit.get(), &options), "checking out " + result.commit);
    fs::rename(fresh, result.folder);
  }
  for (const auto& entry : fs::directory_iterator(directory_)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("tree-") && entry.path() != result.folder) fs::remove_all(entry.path());
  }
  return result;
}

}  // namespace gantry::reconcilers::source
