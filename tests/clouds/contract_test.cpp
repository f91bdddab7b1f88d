// The judge itself: requests that are known to be right or wrong, and whether every schema can be judged at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "tests/contract/contract.hpp"

namespace gantry::contract {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kSmall = R"json({
  "openapi": "3.0.0", "servers": [{"url": "https://api.example.org/v1"}], "security": [{"token": []}],
  "paths": {
    "/things": {
      "get": {"parameters": [{"in": "query", "name": "page", "schema": {"type": "integer", "minimum": 1}},
                             {"in": "query", "name": "id", "schema": {"type": "array", "items": {"type": "integer"}}}],
              "responses": {"200": {"content": {"application/json": {"schema": {"type": "object", "required": ["things"],
                "properties": {"things": {"type": "array", "items": {"$ref": "#/components/schemas/thing"}}}}}}}}},
      "post": {"requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/thing"}}}},
               "responses": {"201": {}, "4xx": {}}}},
    "/things/{id}": {"get": {"parameters": [{"in": "path", "name": "id", "required": true, "schema": {"type": "integer"}}],
                             "responses": {"200": {}}}},
    "/things/newest": {"get": {"responses": {"200": {}}}}},
  "components": {"schemas": {
    "thing": {"type": "object", "required": ["name"], "properties": {
      "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5}, "size": {"type": "integer", "nullable": true},
      "kind": {"oneOf": [{"type": "string", "enum": ["a", "b"]}, {"type": "integer"}]},
      "made": {"type": "string", "format": "date-time"}}}}}})json";

Request request(std::string method, std::string target, std::string body = {}) {
  return {std::move(method), std::move(target), {{"Authorization", "Bearer x"}}, std::move(body)};
}

TEST(Contract, LetsARightRequestThrough) {
  const Contract contract(kSmall);
  EXPECT_EQ(contract.operations(), 4U);
  EXPECT_THAT(contract.judge(request("GET", "/v1/things?page=2&id=1&id=2")), IsEmpty());
  EXPECT_THAT(contract.judge(request("POST", "/v1/things", R"({"name":"web","size":null,"kind":"a"})")), IsEmpty());
  EXPECT_THAT(contract.judge(request("GET", "/v1/things/newest")), IsEmpty());
}

TEST(Contract, SaysEverythingThatIsWrongWithARequest) {
  const Contract contract(kSmall);
  EXPECT_THAT(contract.judge(request("GET", "/v1/things?page=0&colour=red")),
              ElementsAre(HasSubstr("page: $: 0 passes its minimum 1"), HasSubstr("colour: nobody describes it")));
  EXPECT_THAT(contract.judge(request("GET", "/v1/things/abc")), ElementsAre(HasSubstr("\"abc\" is no integer")));
  EXPECT_THAT(contract.judge(request("DELETE", "/v1/things/1")), ElementsAre(HasSubstr("no such operation")));
  EXPECT_THAT(contract.judge(request("POST", "/v1/things")), ElementsAre("the body is missing"));
  EXPECT_THAT(contract.judge(request("GET", "/v1/things/newest", "{}")),
              ElementsAre(HasSubstr("the operation has none")));
  EXPECT_THAT(contract.judge(Request{"GET", "/v1/things", {}, ""}), ElementsAre(HasSubstr("Authorization")));
  EXPECT_THAT(
      contract.judge(request("POST", "/v1/things", R"({"size":"big","kind":"c","made":"today","more":1})")),
      ElementsAre(HasSubstr("$.name: is missing"), HasSubstr("$.kind: fits none"), HasSubstr("is none of"),
                  HasSubstr("no date-time"), HasSubstr("$.size: \"big\" is no integer"), HasSubstr("$.more: nobody")));
}

TEST(Contract, JudgesAnswersByTheirStatus) {
  const Contract contract(kSmall);
  EXPECT_THAT(contract.judge(request("GET", "/v1/things"), {200, R"({"things":[{"name":"web"}]})"}), IsEmpty());
  EXPECT_THAT(contract.judge(request("GET", "/v1/things"), {200, R"({"things":[{"name":"WEB"}]})"}), SizeIs(1));
  EXPECT_THAT(contract.judge(request("GET", "/v1/things"), {500, "{}"}), ElementsAre(HasSubstr("nobody describes it")));
  EXPECT_THAT(contract.judge(request("POST", "/v1/things", R"({"name":"web"})"), {422, ""}), IsEmpty());
}

TEST(Contract, RefusesADocumentThatItCouldNotJudgeBy) {
  const auto with = [](const std::string& schema) {
    return R"({"paths":{"/a":{"post":{"requestBody":{"content":{"application/json":{"schema":)" + schema +
           R"(}}},"responses":{}}}}})";
  };
  EXPECT_NO_THROW(Contract(with(R"({"type":"string"})")));
  EXPECT_THROW(Contract(with(R"({"type":"text"})")), Error);
  EXPECT_THROW(Contract(with(R"({"type":"string","pattern":"("})")), Error);
  EXPECT_THROW(Contract(with(R"({"patternProperties":{}})")), Error);
  EXPECT_THROW(Contract(with(R"({"$ref":"#/components/schemas/none"})")), Error);
  EXPECT_THROW(Contract(with(R"({"oneOf":[]})")), Error);
}

// Requests to four vendors of which somebody has found out what the vendors' own validators say.
class KnownCases : public ::testing::TestWithParam<std::string> {};

TEST_P(KnownCases, AreJudgedAsTheyShouldBe) {
  const auto text = files::read_file_if_exists(Contract::folder() + "/probe-cases.json");
  const Contract* contract = Contract::of(GetParam());
  if (!text || !contract) GTEST_SKIP() << "no vendor descriptions in " << Contract::folder() << ": nothing to judge by";
  int judged = 0;
  const json::Value cases = json::parse(*text);
  for (const auto& one : cases.as_array()) {
    if (one.string_or("vendor") != GetParam()) continue;
    Request asked{one.string_or("method"), one.string_or("path"), {}, one.string_or("raw")};
    if (const json::Value* headers = one.find("headers")) {
      for (const auto& [name, value] : headers->as_object()) asked.headers.emplace_back(name, value.as_string());
    }
    if (const json::Value* body = one.find("json")) asked.body = json::dump(*body);
    const Faults faults = contract->judge(asked);
    const bool accept = one.string_or("expect") == "accept";
    EXPECT_EQ(faults.empty(), accept) << json::dump(one) << "\n" << (faults.empty() ? "" : faults.front());
    ++judged;
  }
  EXPECT_GT(judged, 20);
  RecordProperty("judged", judged);
}

INSTANTIATE_TEST_SUITE_P(Vendors, KnownCases, ::testing::Values("digitalocean", "hetzner", "cloudflare", "vercel"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace gantry::contract
