#include "crds/local_paths.hpp"

#include <gtest/gtest.h>

namespace gantry::crds {
namespace {

std::string after(const std::string& manifest) {
  json::Value value = json::parse(manifest);
  make_paths_absolute(value, "/srv/manifests");
  return json::dump(value.find("spec") ? *value.find("spec") : value);
}

TEST(LocalPaths, ARelativeFolderIsBesideItsManifest) {
  EXPECT_EQ(after(R"({"apiVersion":"gantry.dev/v1alpha1","spec":{"source":{"code":{"path":"./web"}}}})"),
            R"({"source":{"code":{"path":"/srv/manifests/web"}}})");
  EXPECT_EQ(after(R"({"apiVersion":"gantry.dev/v1alpha1","spec":{"directory":{"path":"../apps"}}})"),
            R"({"directory":{"path":"/srv/apps"}})");
}

TEST(LocalPaths, WhatIsAbsoluteOrSomebodyElsesStays) {
  EXPECT_EQ(after(R"({"apiVersion":"gantry.dev/v1alpha1","spec":{"directory":{"path":"/etc/apps"}}})"),
            R"({"directory":{"path":"/etc/apps"}})");
  EXPECT_EQ(after(R"({"apiVersion":"other/v1","spec":{"directory":{"path":"apps"}}})"),
            R"({"directory":{"path":"apps"}})");
  EXPECT_EQ(after(R"({"apiVersion":"gantry.dev/v1alpha1","spec":{"source":"odd"}})"), R"({"source":"odd"})");
}

}  // namespace
}  // namespace gantry::crds
