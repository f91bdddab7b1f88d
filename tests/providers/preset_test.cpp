// Goal: code without a Dockerfile gets one that is the same each time, is not root, and asks after its own health with
// what its image has. The whole text stands here, so that a change of it is seen.
#include "providers/build/preset.hpp"

#include "tests/providers/machine.hpp"

namespace gantry::providers::build {
namespace {

using local::Folder;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Preset : public testing::Test {
 protected:
  Recipe recipe(BuildSpec spec = {}) {
    spec.folder = code.path();
    if (spec.port == 0) spec.port = 8000;
    return recipe_for(spec);
  }
  std::string refusal(BuildSpec spec = {}) {
    try {
      recipe(spec);
    } catch (const Error& error) {
      return error.message();
    }
    return "";
  }
  Folder code;
};

TEST_F(Preset, TheCodesOwnDockerfileComesFirst) {
  code.write("Dockerfile", "FROM scratch\n");
  code.write("package.json", "{}");
  EXPECT_EQ(recipe().path, "Dockerfile");
  EXPECT_EQ(recipe({.preset = "static"}).preset, "static") << "unless somebody says otherwise";
  EXPECT_EQ(recipe({.dockerfile = "FROM busybox\nRUN true\n"}).dockerfile, "FROM busybox\nRUN true\n");
  code.write("deploy/Dockerfile.web", "FROM scratch\n");
  EXPECT_EQ(recipe({.dockerfile = "deploy/Dockerfile.web"}).path, "deploy/Dockerfile.web");
  EXPECT_THAT(refusal({.dockerfile = "missing/Dockerfile"}), HasSubstr("no file \"missing/Dockerfile\""));
  EXPECT_THAT(refusal({.dockerfile = "../../etc/passwd"}), HasSubstr("no path inside the code"));
}

TEST_F(Preset, Python) {
  code.write("requirements.txt", "fastapi\n");
  code.write("main.py", "");
  EXPECT_EQ(recipe().dockerfile,
            "FROM python:3.12-slim\n"
            "WORKDIR /app\n"
            "ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1\n"
            "COPY requirements.txt ./\n"
            "RUN [\"/bin/sh\", \"-c\", \"pip install --no-cache-dir -r requirements.txt\"]\n"
            "COPY . .\n"
            "ENV PORT=8000\n"
            "EXPOSE 8000\n"
            "RUN [\"useradd\", \"--system\", \"--uid\", \"10001\", \"app\"]\n"
            "USER 10001\n"
            "HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD [\"python\", \"-c\", \"import os,socket; "
            "socket.create_connection(('127.0.0.1', int(os.environ['PORT'])), 2)\"]\n"
            "CMD [\"python\", \"main.py\"]\n");
}

TEST_F(Preset, PythonWithAProjectFile) {
  code.write("pyproject.toml", "[project]\nname = \"x\"\n");
  code.write("server.py", "");
  EXPECT_THAT(recipe().dockerfile, AllOf(HasSubstr("pip install --no-cache-dir ."), HasSubstr("\"server.py\"")));
  code.write("uv.lock", "");
  EXPECT_THAT(recipe().dockerfile, HasSubstr("uv export --frozen"));
}

TEST_F(Preset, Node) {
  code.write("package.json", R"({"scripts": {"start": "node s.js", "build": "tsc"}})");
  code.write("package-lock.json", "{}");
  EXPECT_EQ(recipe({.node_version = "20"}).dockerfile,
            "FROM node:20-alpine\n"
            "WORKDIR /app\n"
            "COPY package.json package-lock.json ./\n"
            "RUN [\"/bin/sh\", \"-c\", \"npm ci\"]\n"
            "COPY . .\n"
            "RUN [\"/bin/sh\", \"-c\", \"npm run build\"]\n"
            "RUN [\"/bin/sh\", \"-c\", \"npm prune --omit=dev\"]\n"
            "ENV NODE_ENV=production\n"
            "ENV PORT=8000\n"
            "EXPOSE 8000\n"
            "USER node\n"
            "HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD [\"node\", \"-e\", "
            "\"require('net').connect(process.env.PORT,'127.0.0.1').on('connect',()=>process.exit(0)).on('error',()=>"
            "process.exit(1))\"]\n"
            "CMD [\"npm\", \"start\"]\n");
}

TEST_F(Preset, NodeWithPnpmAndACommandOfTheApps) {
  code.write("package.json", "{}");
  code.write("pnpm-lock.yaml", "");
  EXPECT_THAT(recipe({.start = {"node", "scripts/api-gateway.js"}}).dockerfile,
              AllOf(HasSubstr("COPY package.json pnpm-lock.yaml ./"), HasSubstr("pnpm install --frozen-lockfile"),
                    HasSubstr("CMD [\"node\", \"scripts/api-gateway.js\"]")));
  EXPECT_THAT(refusal(), HasSubstr("does not know what to start"));
}

TEST_F(Preset, Vite) {
  code.write("package.json", R"({"devDependencies": {"vite": "5"}, "scripts": {"build": "vite build"}})");
  const Recipe made = recipe();
  EXPECT_EQ(made.preset, "vite");
  EXPECT_THAT(made.dockerfile,
              AllOf(HasSubstr("FROM node:22-alpine AS build"), HasSubstr("npm run build && mv dist /out"),
                    HasSubstr("FROM caddy:2-alpine"), HasSubstr("try_files {path} /index.html"),
                    HasSubstr("COPY --from=build /out /srv"), HasSubstr("USER 1000:1000"), HasSubstr("HEALTHCHECK")));
  EXPECT_THAT(refusal({.output = "../elsewhere"}), HasSubstr("no folder inside the code"));
  EXPECT_THAT(refusal({.output = "dist; rm -rf /"}), HasSubstr("no folder inside the code"));
}

TEST_F(Preset, Go) {
  code.write("go.mod", "module x\n");
  EXPECT_THAT(recipe().dockerfile, AllOf(HasSubstr("FROM golang:1.23-alpine AS build"), HasSubstr("go build -trimpath"),
                                         HasSubstr("USER 10001:10001"), HasSubstr("nc -z 127.0.0.1 $PORT")));
}

TEST_F(Preset, StaticFiles) {
  code.write("index.html", "hello");
  EXPECT_EQ(
      recipe().dockerfile,
      "FROM busybox:1.37\n"
      "COPY . /srv\n"
      "WORKDIR /srv\n"
      "ENV PORT=8000\n"
      "EXPOSE 8000\n"
      "STOPSIGNAL SIGKILL\n"
      "USER 10001:10001\n"
      "HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD [\"/bin/sh\", \"-c\", \"wget -q -O /dev/null "
      "http://127.0.0.1:$PORT/\"]\n"
      "CMD [\"httpd\", \"-f\", \"-p\", \"8000\", \"-h\", \"/srv\"]\n");
}

TEST_F(Preset, NobodyIsRootAndNobodyNeedsCurl) {
  code.write("package.json", R"({"main": "x.js", "devDependencies": {"vite": "5"}})");
  code.write("requirements.txt", "");
  code.write("main.py", "");
  code.write("go.mod", "");
  code.write("index.html", "");
  for (const std::string preset : {"node", "python", "go", "static", "vite"}) {
    SCOPED_TRACE(preset);
    const std::string text = recipe({.preset = preset}).dockerfile;
    EXPECT_THAT(text, AllOf(HasSubstr("\nUSER "), HasSubstr("\nHEALTHCHECK "), Not(HasSubstr("curl"))));
    EXPECT_LT(text.rfind("\nUSER "), text.rfind("\nCMD ")) << "what runs is not root";
    EXPECT_EQ(text, recipe({.preset = preset}).dockerfile);
  }
}

TEST_F(Preset, ACommandCannotBecomeAnotherInstruction) {
  code.write("requirements.txt", "");
  code.write("main.py", "");
  const std::string text = recipe({.command = "true\nUSER root\nRUN \"evil\""}).dockerfile;
  EXPECT_THAT(text, Not(HasSubstr("\nUSER root")));
  EXPECT_THAT(text, HasSubstr("true\\nUSER root"));
}

TEST_F(Preset, WhatFitsNothingSaysWhatToDo) {
  EXPECT_THAT(refusal(), AllOf(HasSubstr("looked for Dockerfile, package.json"), HasSubstr("spec.build.preset")));
  EXPECT_THAT(refusal({.preset = "cobol"}), HasSubstr("one of auto, node, python, go, static, vite"));
  code.write("package.json", "{ not json");
  EXPECT_THAT(refusal(), HasSubstr("package.json cannot be read"));
}

}  // namespace
}  // namespace gantry::providers::build
