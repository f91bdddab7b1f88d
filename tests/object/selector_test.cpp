#include "controller/object/selector.hpp"

#include "tests/object/json_literal.hpp"

namespace gantry::object {
namespace {

using testing::HasSubstr;

Meta labelled(std::vector<std::pair<std::string, std::string>> labels) {
  Meta meta;
  meta.labels = std::move(labels);
  return meta;
}

TEST(LabelSelector, MatchesAsKubernetesDoes) {
  const Meta web = labelled({{"app", "web"}, {"tier", "front"}});
  const Meta bare = labelled({});
  const std::vector<std::tuple<std::string_view, bool, bool>> rows = {
      {"", true, true},
      {"app=web", true, false},
      {"app==web", true, false},
      {"app!=web", false, true},
      {"app in (web, api)", true, false},
      {"app in (api)", false, false},
      {"app notin (web)", false, true},
      {"tier in (front,back),app", true, false},
      {"!app", false, true},
      {"app", true, false},
      {" app = web , tier ", true, false},
      {"app=", false, false},
      {"in=x", false, false},
  };
  for (const auto& [text, matches_web, matches_bare] : rows) {
    EXPECT_EQ(LabelSelector::parse(text).matches(web), matches_web) << text;
    EXPECT_EQ(LabelSelector::parse(text).matches(bare), matches_bare) << text;
  }
  EXPECT_TRUE(LabelSelector::parse(" ").everything());
}

TEST(LabelSelector, SaysWhereItIsWrong) {
  for (const std::string_view bad : {"app=web,", "=x", "app in", "app in (", "app in (a", "app in a", "a b", "a=b c",
                                     "!", "app>1", "bad key=v", "a=b=c", "app in ()x", "a/b/c=d", ",", "a=/"}) {
    const Error error = error_of([&] { LabelSelector::parse(bad); });
    EXPECT_EQ(error.code(), ErrorCode::BadRequest) << bad;
    EXPECT_THAT(error.message(), HasSubstr("at position")) << bad;
  }
}

TEST(LabelSelector, IsReadFromObjects) {
  const auto selector = LabelSelector::from_json(
      R"({"matchLabels":{"app":"web"},"matchExpressions":[{"key":"tier","operator":"In","values":["front"]},{"key":"old","operator":"DoesNotExist"}]})"_json);
  EXPECT_TRUE(selector.matches(labelled({{"app", "web"}, {"tier", "front"}})));
  EXPECT_FALSE(selector.matches(labelled({{"app", "web"}, {"old", ""}, {"tier", "front"}})));
  EXPECT_TRUE(LabelSelector::from_json("{}"_json).everything());
  const Error error = error_of([] {
    LabelSelector::from_json(
        R"({"matchExpressions":[{"key":"a","operator":"In"},{"key":"b","operator":"Near"}]})"_json);
  });
  EXPECT_EQ(error.causes.at(0).field, "matchExpressions[0].values");
  EXPECT_EQ(error.causes.at(1).message,
            R"(Unsupported value: "Near": supported values: "DoesNotExist", "Exists", "In", "NotIn")");
}

Object object(std::string name, std::string bytes) {
  return Object(Key{Resource::of("g", "apps"), "default", std::move(name)}, 1, {}, std::move(bytes));
}

TEST(FieldSelector, ComparesPathsWithValues) {
  const Object web = object("web", R"({"spec":{"n":3},"status":{"phase":"Up"}})");
  EXPECT_TRUE(FieldSelector::parse("metadata.name=web,metadata.namespace==default,status.phase!=Down").matches(web));
  EXPECT_TRUE(FieldSelector::parse("spec.n=3").matches(web));
  EXPECT_TRUE(FieldSelector::parse("spec.none=").matches(web));
  EXPECT_FALSE(FieldSelector::parse("status.phase=Down").matches(web));
  EXPECT_EQ(*FieldSelector::parse("status.phase=Up,metadata.name=a").exact_name(), "a");
  EXPECT_EQ(FieldSelector::parse("metadata.name!=a").exact_name(), nullptr);
  EXPECT_TRUE(FieldSelector::parse("").everything());
}

TEST(FieldSelector, UnescapesValues) {
  EXPECT_EQ(FieldSelector::parse(R"(a=b\,c\=d\\e,f=g)").terms().at(0).value, R"(b,c=d\e)");
  for (const std::string_view bad : {"a", "=b", "a=b\\x", "a=b\\"})
    EXPECT_EQ(error_of([&] { FieldSelector::parse(bad); }).code(), ErrorCode::BadRequest) << bad;
}

}  // namespace
}  // namespace gantry::object
