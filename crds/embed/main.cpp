// Run by the build: embed OUTPUT ROOT FILE... writes OUTPUT, a C++ file that holds the documents of each YAML file as
// JSON. The binary then reads its own API definitions in a millisecond instead of forty, at every start.
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "controller/base/yaml.hpp"

namespace {

// A string literal may be limited in length by a compiler; this is safe for all.
constexpr std::size_t kPiece = 12'000;

void append_literal(std::string& out, std::string_view text) {
  while (!text.empty()) {
    out.append("       R\"gantry(").append(text.substr(0, kPiece)).append(")gantry\"\n");
    text.remove_prefix(std::min(kPiece, text.size()));
  }
}

// JSON documents cannot follow each other in one file, so a file has exactly one.
bool append_file(std::string& out, const std::string& root, const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  const auto documents = gantry::yaml::parse_all(text.str());
  if (documents.size() != 1 || !documents[0].error.empty() || !documents[0].duplicates.empty()) {
    const std::string why = documents.size() != 1
                                ? "one document is expected, here are " + std::to_string(documents.size())
                            : !documents[0].error.empty() ? documents[0].error
                                                          : "the key " + documents[0].duplicates[0] + " stands twice";
    std::fprintf(stderr, "%s: %s\n", path.c_str(), why.c_str());
    return false;
  }
  const std::string name = path.starts_with(root + "/") ? path.substr(root.size() + 1) : path;
  out.append("      {\"").append(name).append("\",\n");
  append_literal(out, gantry::json::dump(documents[0].value));
  out += "      },\n";
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: embed OUTPUT ROOT FILE...\n");
    return 64;
  }
  std::string out =
      "#include \"crds/embedded.hpp\"\n\nnamespace gantry::crds {\n\nstd::span<const EmbeddedFile> embedded_files() {\n"
      "  static constexpr EmbeddedFile kFiles[] = {\n";
  for (int i = 3; i < argc; ++i) {
    if (!append_file(out, argv[2], argv[i])) return 1;
  }
  out += "  };\n  return kFiles;\n}\n\n}  // namespace gantry::crds\n";
  std::ofstream(argv[1]) << out;
  return 0;
}
