#include "providers/build/preset.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "controller/base/error.hpp"
#include "controller/base/json.hpp"
#include "providers/local/posix.hpp"

namespace gantry::providers::build {
namespace {

constexpr std::string_view kPresets[] = {"node", "python", "go", "static", "vite"};

// What is in the folder's top, as far as a recipe wants to know.
class Code {
 public:
  explicit Code(std::string folder) : folder_(std::move(folder)) {}
  bool has(const std::string& name) const {
    struct stat found{};
    return ::lstat((folder_ + "/" + name).c_str(), &found) == 0 && S_ISREG(found.st_mode);
  }
  bool has_folder(const std::string& name) const {
    struct stat found{};
    return ::lstat((folder_ + "/" + name).c_str(), &found) == 0 && S_ISDIR(found.st_mode);
  }
  std::string text(const std::string& name) const {
    return has(name) ? local::read_small(folder_ + "/" + name).value_or("") : "";
  }
  json::Value package() const {
    try {
      return json::parse(text("package.json"));
    } catch (const Error& error) {
      throw Error(ErrorCode::Invalid, "package.json cannot be read: " + error.message());
    }
  }
  std::string first_of(std::initializer_list<const char*> names) const {
    for (const char* name : names) {
      if (has(name)) return name;
    }
    return "";
  }

 private:
  std::string folder_;
};

bool depends_on(const json::Value& package, std::string_view name) {
  for (const char* list : {"dependencies", "devDependencies"}) {
    if (const json::Value* found = package.find(list); found && found->find(name)) return true;
  }
  return false;
}

bool has_script(const json::Value& package, std::string_view name) { return package.at({"scripts", name}) != nullptr; }

std::string quoted(std::string_view text) { return json::dump(json::Value(std::string(text))); }

std::string words(const std::vector<std::string>& list) {
  std::string made = "[";
  for (const auto& word : list) made += (made.size() > 1 ? ", " : "") + quoted(word);
  return made + "]";
}

std::string start_of(const BuildSpec& spec, std::vector<std::string> otherwise) {
  return "CMD " + words(spec.start.empty() ? otherwise : spec.start) + "\n";
}

// A command of the user's becomes one RUN line: written as an exec form, nothing in it can become another instruction.
std::string run(const std::string& command) { return "RUN " + words({"/bin/sh", "-c", command}) + "\n"; }

std::string port_lines(int port) {
  if (port == 0) return "";
  return "ENV PORT=" + std::to_string(port) + "\nEXPOSE " + std::to_string(port) + "\n";
}

std::string health(int port, const std::string& command) {
  if (port == 0) return "";
  return "HEALTHCHECK --interval=10s --timeout=3s --start-period=30s " + ("CMD " + command) + "\n";
}

std::string build_arguments(const BuildSpec& spec) {
  std::string lines;
  for (const auto& [name, value] : spec.env) lines += "ARG " + name + "\n";
  return lines;
}

// ---------------------------------------------------------------- node and vite

struct NodeTool {
  std::string lock;     // copied before the rest, so that the layer is kept while it does not change
  std::string install;  // with everything
  std::string prune;    // what only the build needs goes
  std::string run;      // "npm run "
};

NodeTool node_tool(const Code& code) {
  if (code.has("pnpm-lock.yaml"))
    return {"pnpm-lock.yaml", "corepack enable && pnpm install --frozen-lockfile", "pnpm prune --prod", "pnpm run "};
  if (code.has("yarn.lock")) return {"yarn.lock", "corepack enable && yarn install --frozen-lockfile", "", "yarn run "};
  if (code.has("package-lock.json")) return {"package-lock.json", "npm ci", "npm prune --omit=dev", "npm run "};
  return {"", "npm install", "npm prune --omit=dev", "npm run "};
}

std::string node_base(const BuildSpec& spec) {
  return "node:" + (spec.node_version.empty() ? std::string("22") : spec.node_version) + "-alpine";
}

std::string node_install(const Code& code, const NodeTool& tool) {
  std::string files = "package.json";
  for (const auto& name : {tool.lock, std::string(code.has(".npmrc") ? ".npmrc" : "")}) {
    if (!name.empty()) files += " " + name;
  }
  return "COPY " + files + " ./\n" + run(tool.install);
}

Recipe node(const Code& code, const BuildSpec& spec) {
  if (!code.has("package.json"))
    throw Error(ErrorCode::Invalid, "preset node needs a package.json at the top of the code");
  const json::Value package = code.package();
  const NodeTool tool = node_tool(code);
  std::vector<std::string> start = {"npm", "start"};
  if (!has_script(package, "start")) {
    const std::string entry =
        package.string_or("main", code.first_of({"server.js", "index.js", "app.js", "main.js", "server.mjs"}));
    if (entry.empty() && spec.start.empty())
      throw Error(
          ErrorCode::Invalid,
          "preset node does not know what to start: package.json has neither a start script nor main, and there "
          "is no server.js or index.js; set spec.command");
    start = {"node", entry};
  }
  const std::string build = !spec.command.empty()          ? spec.command
                            : has_script(package, "build") ? tool.run + "build"
                                                           : "";
  std::string text =
      "FROM " + node_base(spec) + "\nWORKDIR /app\n" + build_arguments(spec) + node_install(code, tool) + "COPY . .\n";
  if (!build.empty()) text += run(build);
  if (!tool.prune.empty()) text += run(tool.prune);
  text +=
      "ENV NODE_ENV=production\n" + port_lines(spec.port) + "USER node\n" +
      health(spec.port, words({"node", "-e",
                               "require('net').connect(process.env.PORT,'127.0.0.1').on('connect',()=>process.exit(0))."
                               "on('error',()=>process.exit(1))"})) +
      start_of(spec, start);
  return {"node", text, "", "package.json"};
}

// Caddy falls back to index.html, as a page with routes of its own needs it.
std::string caddy_stage(int port) {
  const std::string listen = std::to_string(port == 0 ? 8080 : port);
  return "FROM caddy:2-alpine\nENV XDG_DATA_HOME=/tmp XDG_CONFIG_HOME=/tmp\n" + port_lines(port == 0 ? 8080 : port) +
         "RUN [\"/bin/sh\", \"-c\", \"printf ':" + listen +
         " {\\\\nroot * /srv\\\\nencode gzip\\\\ntry_files {path} /index.html\\\\nfile_server\\\\n}\\\\n' > "
         "/etc/caddy/Caddyfile\"]\n"
         "COPY --from=build /out /srv\nUSER 1000:1000\n" +
         health(port == 0 ? 8080 : port, words({"wget", "-q", "-O", "/dev/null", "http://127.0.0.1:" + listen + "/"})) +
         "CMD [\"caddy\", \"run\", \"--config\", \"/etc/caddy/Caddyfile\", \"--adapter\", \"caddyfile\"]\n";
}

Recipe vite(const Code& code, const BuildSpec& spec) {
  if (!code.has("package.json"))
    throw Error(ErrorCode::Invalid, "preset vite needs a package.json at the top of the code");
  const NodeTool tool = node_tool(code);
  const std::string build = spec.command.empty() ? tool.run + "build" : spec.command;
  const std::string output = spec.output.empty() ? "dist" : spec.output;
  if (output.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") !=
          std::string::npos ||
      output.find("..") != std::string::npos || output.starts_with('/'))
    throw Error(ErrorCode::Invalid, "spec.build.output \"" + output + "\" is no folder inside the code");
  std::string text = "FROM " + node_base(spec) + " AS build\nWORKDIR /app\n" + build_arguments(spec) +
                     node_install(code, tool) + "COPY . .\n" + run(build + " && mv " + output + " /out") +
                     caddy_stage(spec.port);
  return {"vite", text, "", "package.json names vite"};
}

// ---------------------------------------------------------------- the others

Recipe python(const Code& code, const BuildSpec& spec) {
  const bool requirements = code.has("requirements.txt");
  const bool project = code.has("pyproject.toml");
  const std::string entry = code.first_of({"main.py", "app.py", "server.py", "wsgi.py", "manage.py"});
  if (spec.start.empty() && entry.empty())
    throw Error(
        ErrorCode::Invalid,
        "preset python does not know what to start: there is no main.py, app.py or server.py; set spec.command");
  std::string text =
      "FROM python:3.12-slim\nWORKDIR /app\nENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1\n" + build_arguments(spec);
  if (requirements) {
    text += "COPY requirements.txt ./\n" + run("pip install --no-cache-dir -r requirements.txt") + "COPY . .\n";
  } else if (project && code.has("uv.lock")) {
    text += "COPY pyproject.toml uv.lock ./\n" +
            run("pip install --no-cache-dir uv && uv export --frozen --no-dev --no-emit-project -o "
                "/tmp/requirements.txt && "
                "pip install --no-cache-dir -r /tmp/requirements.txt") +
            "COPY . .\n";
  } else if (project) {
    text += "COPY . .\n" + run("pip install --no-cache-dir .");
  } else {
    text += "COPY . .\n";
  }
  if (!spec.command.empty()) text += run(spec.command);
  text += port_lines(spec.port) + "RUN [\"useradd\", \"--system\", \"--uid\", \"10001\", \"app\"]\nUSER 10001\n" +
          health(spec.port, words({"python", "-c",
                                   "import os,socket; socket.create_connection(('127.0.0.1', "
                                   "int(os.environ['PORT'])), 2)"})) +
          start_of(spec, {"python", entry});
  return {"python", text, "", requirements ? "requirements.txt" : project ? "pyproject.toml" : entry};
}

Recipe go(const Code& code, const BuildSpec& spec) {
  if (!code.has("go.mod")) throw Error(ErrorCode::Invalid, "preset go needs a go.mod at the top of the code");
  const std::string modules = code.has("go.sum") ? "go.mod go.sum" : "go.mod";
  const std::string build = spec.command.empty() ? "go build -trimpath -o /out/app ." : spec.command;
  std::string text =
      "FROM golang:1.23-alpine AS build\nWORKDIR /src\nENV CGO_ENABLED=0\n" + build_arguments(spec) + "COPY " +
      modules + " ./\nRUN [\"go\", \"mod\", \"download\"]\nCOPY . .\n" + run("mkdir -p /out && " + build) +
      "FROM busybox:1.37\nCOPY --from=build /out /app\nWORKDIR /app\n" + port_lines(spec.port) + "USER 10001:10001\n" +
      health(spec.port, words({"/bin/sh", "-c", "nc -z 127.0.0.1 $PORT"})) + start_of(spec, {"/app/app"});
  return {"go", text, "", "go.mod"};
}

Recipe static_files(const Code&, const BuildSpec& spec) {
  const int port = spec.port == 0 ? 8080 : spec.port;
  // It has nothing to finish, and as the first process of its container it would not hear of SIGTERM.
  std::string text = "FROM busybox:1.37\nCOPY . /srv\nWORKDIR /srv\n" + port_lines(port) +
                     "STOPSIGNAL SIGKILL\nUSER 10001:10001\n" +
                     health(port, words({"/bin/sh", "-c", "wget -q -O /dev/null http://127.0.0.1:$PORT/"})) +
                     start_of(spec, {"httpd", "-f", "-p", std::to_string(port), "-h", "/srv"});
  return {"static", text, "", "index.html"};
}

std::string found_preset(const Code& code) {
  if (code.has("package.json"))
    return depends_on(code.package(), "vite") && !has_script(code.package(), "start") ? "vite" : "node";
  if (code.has("requirements.txt") || code.has("pyproject.toml")) return "python";
  if (code.has("go.mod")) return "go";
  if (code.has("index.html")) return "static";
  if (!code.first_of({"main.py", "app.py", "server.py"}).empty()) return "python";
  return "";
}

}  // namespace

Recipe recipe_for(const BuildSpec& spec) {
  const Code code(spec.folder);
  if (spec.dockerfile.find('\n') != std::string::npos || spec.dockerfile.starts_with("FROM "))
    return {"", spec.dockerfile, "", "spec.build.dockerfile"};
  if (!spec.dockerfile.empty()) {
    if (spec.dockerfile.starts_with('/') || spec.dockerfile.find("..") != std::string::npos)
      throw Error(ErrorCode::Invalid, "spec.build.dockerfile \"" + spec.dockerfile + "\" is no path inside the code");
    if (!code.has(spec.dockerfile))
      throw Error(ErrorCode::Invalid,
                  "there is no file \"" + spec.dockerfile + "\" in the code (spec.build.dockerfile)");
    return {"", "", spec.dockerfile, "spec.build.dockerfile"};
  }
  const bool automatic = spec.preset.empty() || spec.preset == "auto";
  if (automatic && code.has("Dockerfile")) return {"", "", "Dockerfile", "the code brings a Dockerfile"};
  const std::string preset = automatic ? found_preset(code) : spec.preset;
  if (preset == "node") return node(code, spec);
  if (preset == "vite") return vite(code, spec);
  if (preset == "python") return python(code, spec);
  if (preset == "go") return go(code, spec);
  if (preset == "static") return static_files(code, spec);
  if (preset.empty())
    throw Error(ErrorCode::Invalid,
                "nothing says how to build this code: looked for Dockerfile, package.json, requirements.txt, "
                "pyproject.toml, go.mod, main.py and index.html at its top; add one, or set spec.build.preset");
  std::string known;
  for (const auto name : kPresets) known += (known.empty() ? "" : ", ") + std::string(name);
  throw Error(ErrorCode::Invalid, "spec.build.preset \"" + preset + "\" is not known; one of auto, " + known);
}

std::string lockfile_of(const std::string& folder) {
  const Code code(folder);
  return code.first_of({"package-lock.json", "pnpm-lock.yaml", "yarn.lock", "uv.lock", "poetry.lock",
                        "requirements.txt", "go.sum", "Cargo.lock", "pyproject.toml", "package.json"});
}

std::string default_command(const BuildSpec& spec) {
  const Code code(spec.folder);
  if (spec.preset != "python") return "";
  // The environment lies in the cache, which is kept while the lock file stays the same.
  const std::string what = code.has("requirements.txt") ? "-r requirements.txt" : code.has("pyproject.toml") ? "." : "";
  if (what.empty()) return "";
  return "test -n \"$GANTRY_CACHE_HIT\" || { python3 -m venv .venv && .venv/bin/pip install " + what + "; }";
}

}  // namespace gantry::providers::build
