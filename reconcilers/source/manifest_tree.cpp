#include "reconcilers/source/manifest_tree.hpp"

#include <openssl/evp.h>
#include <sys/stat.h>

#include <filesystem>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/yaml.hpp"

namespace gantry::reconcilers::source {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFileMax = 16 << 20;
constexpr std::size_t kFilesMax = 100'000;

std::string hash_of(const std::string& text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_Digest(text.data(), text.size(), digest, &length, EVP_sha256(), nullptr);
  std::string out;
  for (unsigned int i = 0; i < 16; ++i) {
    out += kHex[digest[i] >> 4];
    out += kHex[digest[i] & 15];
  }
  return out;
}

bool is_manifest(const fs::path& path) {
  const auto ending = path.extension();
  return ending == ".yaml" || ending == ".yml" || ending == ".json";
}

// One object of a document; kind: List holds many.
void take(const json::Value& value, const std::string& file, std::size_t line, std::vector<Manifest>& manifests,
          std::vector<Broken>& broken) {
  const auto complain = [&](std::string message) { broken.push_back({file, line, std::move(message)}); };
  if (!value.is_object())
    return complain("expected an object with apiVersion, kind and metadata, got " + std::string(value.type_name()));
  const std::string kind = value.text_at({"kind"});
  if (const json::Value* items = value.find("items"); items && items->is_array() && kind.ends_with("List")) {
    for (const auto& item : items->as_array()) take(item, file, line, manifests, broken);
    return;
  }
  Manifest manifest{{value.text_at({"apiVersion"}), kind, value.text_at({"metadata", "namespace"}),
                     value.text_at({"metadata", "name"})},
                    file,
                    line,
                    {},
                    {}};
  if (manifest.identity.api_version.empty()) return complain("apiVersion is missing");
  if (manifest.identity.kind.empty()) return complain("kind is missing");
  if (manifest.identity.name.empty()) return complain("metadata.name is missing");
  manifest.text = json::dump(value);
  manifest.hash = hash_of(manifest.text);
  manifests.push_back(std::move(manifest));
}

}  // namespace

ManifestTree::File ManifestTree::read_file(const std::string& root, const std::string& relative, Stamp stamp) {
  File file{stamp, {}, {}};
  std::string text;
  try {
    text = files::read_file(files::join(root, relative), kFileMax);
  } catch (const Error& error) {
    file.broken.push_back({relative, 0, error.message()});
    return file;
  }
  for (const auto& document : yaml::parse_all(text)) {
    if (!document.error.empty()) {
      file.broken.push_back({relative, document.error_line, document.error});
    } else if (!document.duplicates.empty()) {
      file.broken.push_back({relative, document.line_of(document.duplicates.front()),
                             "the field " + document.duplicates.front() + " stands twice"});
    } else {
      take(document.value, relative, document.line, file.manifests, file.broken);
    }
  }
  return file;
}

Tree ManifestTree::read(const std::string& root) {
  if (root != root_) files_.clear();
  root_ = root;
  std::error_code error;
  if (!fs::is_directory(root, error))
    throw Error(ErrorCode::NotFound, "the folder " + root + " does not exist, or is no folder");
  std::map<std::string, File> now;
  fs::recursive_directory_iterator at(root, error);
  if (error) throw Error(ErrorCode::Forbidden, "the folder " + root + " cannot be read: " + error.message());
  for (; at != fs::recursive_directory_iterator(); at.increment(error)) {
    if (error) throw Error(ErrorCode::Forbidden, "the folder " + root + " cannot be read: " + error.message());
    const fs::path& path = at->path();
    if (path.filename().string().starts_with('.')) {
      if (at->is_directory(error)) at.disable_recursion_pending();
      continue;
    }
    if (!is_manifest(path)) continue;
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) continue;  // gone since it was listed
    if (S_ISLNK(status.st_mode)) {
      // A link may lead anywhere on this machine; only what stays in the tree is followed.
      const auto target = fs::canonical(path, error);
      if (error || !target.string().starts_with(fs::canonical(root).string() + "/") ||
          ::stat(path.c_str(), &status) != 0)
        continue;
    }
    if (!S_ISREG(status.st_mode)) continue;
    if (now.size() >= kFilesMax)
      throw Error(ErrorCode::TooLarge,
                  "the folder " + root + " holds more than " + std::to_string(kFilesMax) + " manifests");
    const std::string relative = fs::relative(path, root).string();
    const Stamp stamp{static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec,
                      static_cast<std::uint64_t>(status.st_size), status.st_ino};
    const auto known = files_.find(relative);
    // A file that was written just now may be written again within the same time stamp: its size and inode count too,
    // and a broken one is always read again.
    if (known != files_.end() && known->second.stamp == stamp && known->second.broken.empty()) {
      now.emplace(relative, std::move(known->second));
    } else {
      now.emplace(relative, read_file(root, relative, stamp));
    }
  }
  files_ = std::move(now);

  Tree tree;
  std::map<Identity, const Manifest*> seen;
  std::string everything;
  for (const auto& [path, file] : files_) {
    for (const auto& manifest : file.manifests) {
      const auto [first, fresh] = seen.emplace(manifest.identity, &manifest);
      if (!fresh) {
        tree.broken.push_back({manifest.file, manifest.line,
                               manifest.identity.kind + " \"" + manifest.identity.name + "\" is also declared in " +
                                   first->second->file + ":" + std::to_string(first->second->line)});
        continue;
      }
      everything += manifest.hash;
      tree.manifests.push_back(manifest);
    }
    tree.broken.insert(tree.broken.end(), file.broken.begin(), file.broken.end());
  }
  tree.digest = hash_of(everything);
  return tree;
}

}  // namespace gantry::reconcilers::source
