// Every single flipped bit of the file is refused or changes nothing. LMDB itself has no checksums.
#include <fstream>

#include "tests/store/fixture.hpp"

namespace gantry::store {
namespace {

class BitRotTest : public LmdbStoreTest {
 public:
  BitRotTest() {
    open();
    std::vector<ObjectPtr> apps;
    for (int i = 0; i < 40; ++i) apps.push_back(create(app("app-" + std::to_string(i)), std::string(700, 'a')));
    create(app("large"), std::string(9000, 'l'));
    create({kSecrets, "prod", "db"}, "hunter2-hunter2");
    for (int i = 0; i < 40; i += 2) apps[i] = update(apps[i], std::string(500, 'b'));
    for (int i = 0; i < 40; i += 5) remove(apps[i]);
    await(store->compact(store->revision() - 10));  // so that there are free pages as well
    create(app("last"));
    expected = describe();
    store.reset();
    std::ifstream in(data_file, std::ios::binary);
    good.assign(std::istreambuf_iterator<char>(in), {});
  }

  std::string describe() {
    std::string text = std::to_string(store->revision());
    for (const Resource resource : {kApps, kSecrets}) {
      for (const auto& item : store->list(resource).items) text += item->key().to_string() + item->bytes();
      for (const auto& event : store->watch(resource, store->oldest_revision())->ready(1000)) text += told(event);
    }
    return text;
  }

  std::string data_file = options.data_dir + "/store/data.mdb";
  std::string good;
  std::string expected;
};

TEST_F(BitRotTest, AFlippedBitIsRefusedOrHarmless) {
  const char* wish = std::getenv("GANTRY_BIT_ROT_STRIDE");
  const std::size_t stride = wish ? std::strtoul(wish, nullptr, 10) : 193;
  SeededRandom random(20261121);
  std::size_t refused = 0;
  std::size_t harmless = 0;
  // The two meta pages whole: there a flip does most.
  for (std::size_t at = 0; at < good.size(); at += at % 4096 < 160 ? (at < 8192 ? 1 : 13) : stride) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << random.below(8)));
    std::ofstream(data_file, std::ios::binary | std::ios::trunc) << bad;
    try {
      store = open_store();
      ASSERT_EQ(describe(), expected) << "byte " << at << " of " << good.size();
      ++harmless;
      store.reset();
    } catch (const Error& error) {
      ASSERT_TRUE(error.code() == ErrorCode::Internal || error.code() == ErrorCode::Invalid)
          << "byte " << at << ": " << error.message();
      ++refused;
    }
  }
  EXPECT_GT(refused, 100u);
  std::printf("%zu flips in %zu bytes: %zu refused, %zu harmless, none believed\n", refused + harmless, good.size(),
              refused, harmless);
}

}  // namespace
}  // namespace gantry::store
