#include "controller/object/metadata.hpp"

#include "controller/object/names.hpp"
#include "tests/object/json_literal.hpp"

namespace gantry::object {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

json::Value with(std::string_view metadata) { return json::parse(R"({"metadata":)" + std::string(metadata) + "}"); }
std::vector<std::string> problems(std::string_view metadata, bool namespaced = true,
                                  NameRule rule = NameRule::Subdomain) {
  return lines_of(validate_metadata(with(metadata), namespaced, rule));
}

TEST(Metadata, IsFineWhenItIs) {
  EXPECT_THAT(
      problems(
          R"({"name":"web-1.example","namespace":"prod","labels":{"app":"web","a.io/B_c":"","x":"1.2-A"},"annotations":{"A.io/X":"any thing"},
      "finalizers":["gantry.dev/cleanup","orphan"],"ownerReferences":[{"apiVersion":"g/v1","kind":"App","name":"a","uid":"u","controller":true}]})"),
      IsEmpty());
}

TEST(Metadata, NamesAreDnsNames) {
  EXPECT_THAT(problems(R"({"namespace":"a"})"),
              ElementsAre("metadata.name: Required value: name or generateName is required"));
  EXPECT_THAT(problems(R"({"name":"Web","namespace":"a"})"),
              ElementsAre("metadata.name: Invalid value: \"Web\": a lowercase RFC 1123 subdomain must consist of lower "
                          "case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric "
                          "character (e.g. 'example.com', regex used for validation is "
                          "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"));
  EXPECT_THAT(problems(R"({"name":"a.b"})", false, NameRule::Label),
              ElementsAre("metadata.name: Invalid value: \"a.b\": must not contain dots"));
  for (const std::string_view bad : {"../x", "a/b", "a\r\nb", "-a", "a-", "a..b", ".a", "a_b", "ü"})
    EXPECT_NE(subdomain_problem(bad), "") << bad;
  EXPECT_EQ(subdomain_problem(std::string(253, 'a')), "");
  EXPECT_EQ(subdomain_problem(std::string(254, 'a')), "must be no more than 253 bytes");
  EXPECT_EQ(dns_label_problem(std::string(64, 'a')), "must be no more than 63 bytes");
}

TEST(Metadata, GeneratedNamesMayEndInADash) {
  EXPECT_THAT(problems(R"({"name":"web-x7x2b","generateName":"web-","namespace":"a"})"), IsEmpty());
  EXPECT_THAT(problems(R"({"name":"web-x7x2b","generateName":"Web-","namespace":"a"})"),
              ElementsAre(StartsWith("metadata.generateName: Invalid value: \"Web-\"")));
}

TEST(Metadata, NamespacesBelongToSomeKinds) {
  EXPECT_THAT(problems(R"({"name":"a"})"), ElementsAre("metadata.namespace: Required value"));
  EXPECT_THAT(problems(R"({"name":"a","namespace":"b"})", false),
              ElementsAre("metadata.namespace: Forbidden: not allowed on this type"));
}

TEST(Metadata, LabelsAndAnnotationsHaveAnAlphabet) {
  EXPECT_THAT(
      problems(R"({"name":"a","namespace":"b","labels":{"bad key":"v","k":"a b"}})"),
      ElementsAre(
          StartsWith("metadata.labels: Invalid value: \"bad key\": name part must consist of"),
          StartsWith("metadata.labels: Invalid value: \"a b\": a valid label must be an empty string or consist of")));
  EXPECT_THAT(problems(R"({"name":"a","namespace":"b","annotations":{"a/b/c":""}})"),
              ElementsAre(HasSubstr("a qualified name must consist of")));
  EXPECT_EQ(label_key_problem("/x"), "prefix part must be non-empty");
  EXPECT_EQ(label_key_problem("a.io/"), "name part must be non-empty");
  EXPECT_EQ(label_key_problem(std::string(64, 'a')), "name part must be no more than 63 bytes");
}

TEST(Metadata, AnnotationsHaveALimitInAll) {
  auto object = with(R"({"name":"a","namespace":"b"})");
  object["metadata"]["annotations"] = json::Object{{"a", std::string(200'000, 'x')}, {"b", std::string(62'142, 'x')}};
  EXPECT_THAT(validate_metadata(object, true), IsEmpty());
  object["metadata"]["annotations"]["c"] = "";
  EXPECT_THAT(lines_of(validate_metadata(object, true)),
              ElementsAre("metadata.annotations: Too long: may not be more than 262144 bytes"));
}

TEST(Metadata, OwnersSayWhoTheyAre) {
  EXPECT_THAT(problems(R"({"name":"a","namespace":"b","ownerReferences":[{"uid":"1"}]})"),
              ElementsAre("metadata.ownerReferences[0].apiVersion: Required value: must not be empty",
                          "metadata.ownerReferences[0].kind: Required value: must not be empty",
                          "metadata.ownerReferences[0].name: Required value: must not be empty"));
  EXPECT_THAT(
      problems(
          R"({"name":"a","namespace":"b","ownerReferences":[{"apiVersion":"v1","kind":"A","name":"x","uid":"1","controller":true},{"apiVersion":"v1","kind":"B","name":"y","uid":"2","controller":true}]})"),
      ElementsAre(HasSubstr(
          "Only one reference can have Controller set to true. Found \"true\" in references for A/x and B/y")));
  auto object = with(R"({"ownerReferences":[{"uid":"1"},{"uid":"2"},{"uid":"1"}]})");
  EXPECT_TRUE(remove_duplicate_owners(object));
  EXPECT_EQ(object, with(R"({"ownerReferences":[{"uid":"1"},{"uid":"2"}]})"));
  EXPECT_FALSE(remove_duplicate_owners(object));
}

TEST(Metadata, FinalizersAreQualifiedAndDoNotContradict) {
  EXPECT_THAT(problems(R"({"name":"a","namespace":"b","finalizers":["no good"]})"),
              ElementsAre(StartsWith("metadata.finalizers: Invalid value: \"no good\"")));
  EXPECT_THAT(problems(R"({"name":"a","namespace":"b","finalizers":["orphan","foregroundDeletion"]})"),
              ElementsAre(HasSubstr("finalizer orphan and foregroundDeletion cannot be both set")));
}

TEST(MetadataUpdate, SomeThingsCannotChange) {
  const auto old = with(R"({"name":"a","namespace":"b","uid":"1","creationTimestamp":"2026-01-01T00:00:00Z"})");
  EXPECT_THAT(
      lines_of(validate_metadata_update(
          with(R"({"name":"a","namespace":"b","uid":"2","creationTimestamp":"2026-01-01T00:00:00Z"})"), old, true)),
      ElementsAre("metadata.uid: Invalid value: \"2\": field is immutable"));
  EXPECT_THAT(validate_metadata_update(old, old, true), IsEmpty());
}

TEST(MetadataUpdate, NoFinalizerIsAddedToWhatIsBeingDeleted) {
  const auto old =
      with(R"({"name":"a","namespace":"b","deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["x.io/a"]})");
  const auto update = with(
      R"({"name":"a","namespace":"b","deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["x.io/a","x.io/b"]})");
  EXPECT_THAT(lines_of(validate_metadata_update(update, old, true)),
              ElementsAre("metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
                          "deleted, found new finalizers []string{\"x.io/b\"}"));
  EXPECT_THAT(validate_metadata_update(
                  with(R"({"name":"a","namespace":"b","deletionTimestamp":"2026-01-01T00:00:00Z"})"), old, true),
              IsEmpty());
}

}  // namespace
}  // namespace gantry::object
