#include "tests/process/saved_image.hpp"

#include "tests/process/gantry_process.hpp"

namespace gantry::process {
namespace {

constexpr const char* kMakeImage = R"sh(
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cp "$1" service
tar --sort=name --owner=0 --group=0 --mtime=@0 -cf layer.tar service
layer=$(sha256sum layer.tar | cut -d' ' -f1)
cat > config.json <<END
{"architecture":"amd64","os":"linux","created":"2026-01-01T00:00:00Z","config":{"Cmd":["/service"]},
 "rootfs":{"type":"layers","diff_ids":["sha256:$layer"]},"history":[{"created":"2026-01-01T00:00:00Z"}]}
END
echo '[{"Config":"config.json","RepoTags":["nginx:1.27","nginx:latest"],"Layers":["layer.tar"]}]' > manifest.json
tar -cf "$2" layer.tar config.json manifest.json
)sh";

}  // namespace

std::string save_image(const std::string& file) {
  const Outcome made = run({"sh", "-c", kMakeImage, "sh", GANTRY_BINARY_DIR "/tests/stand_in", file});
  return made.exit_code == 0 ? "" : "an image cannot be made here: " + made.err;
}

}  // namespace gantry::process
