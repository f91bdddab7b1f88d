#include <fstream>

#include "tests/store/fixture.hpp"

namespace gantry::store {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class BackupTest : public LmdbStoreTest {
 public:
  BackupTest() {
    open();
    create(app("a"), "one");
    const auto b = create(app("b"));
    create({kSecrets, "prod", "db"}, "hunter2-hunter2");
    remove(b);
  }
  std::string slurp(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string file = dir.path() + "/backup";
  std::string target = dir.path() + "/other";
};

TEST_F(BackupTest, ARestoredStoreIsTheSameStore) {
  await(store->backup(file));
  const Revision revision = store->revision();
  create(app("too-late"));
  store.reset();
  const BackupInfo info = restore_backup(file, target);
  EXPECT_EQ(info.revision, revision);
  std::filesystem::copy_file(options.data_dir + "/secrets.key", target + "/secrets.key");
  options.data_dir = target;
  open();
  EXPECT_EQ(store->revision(), revision);
  EXPECT_EQ(spec_of(store->find(app("a"))), json::Value("one"));
  EXPECT_EQ(store->find(app("b")), nullptr);
  EXPECT_EQ(store->find(app("too-late")), nullptr);
  EXPECT_EQ(spec_of(store->find({kSecrets, "prod", "db"})), json::Value("hunter2-hunter2"));
  EXPECT_EQ(store->watch(kApps, 0)->ready().size(), 3u);
}

TEST_F(BackupTest, SecretsStayEncryptedAndTheKeyIsNotInIt) {
  await(store->backup(file));
  EXPECT_THAT(slurp(file), Not(HasSubstr("hunter2")));
  const std::string key = slurp(options.data_dir + "/secrets.key").substr(0, 64);
  EXPECT_THAT(slurp(file), Not(HasSubstr(key)));
  store.reset();
  restore_backup(file, target);
  options.data_dir = target;
  EXPECT_THAT(error_of([&] { open(); }).message(), HasSubstr("missing"));
}

TEST_F(BackupTest, NothingIsOverwritten) {
  await(store->backup(file));
  const std::string before = slurp(file);
  EXPECT_THAT(error_of([&] { await(store->backup(file)); }), Is(ErrorCode::AlreadyExists));
  EXPECT_EQ(slurp(file), before);
  store.reset();
  EXPECT_THAT(error_of([&] { restore_backup(file, options.data_dir); }), Is(ErrorCode::AlreadyExists));
  EXPECT_THAT(error_of([&] { open(), await(store->backup("/nowhere/at/all")); }), Is(ErrorCode::Unavailable));
}

TEST_F(BackupTest, EveryByteOfItIsChecked) {
  await(store->backup(file));
  const std::string good = slurp(file);
  for (std::size_t at = 0; at < good.size(); at += 7) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bad;
    ASSERT_THAT(error_of([&] { restore_backup(file, target); }), Is(ErrorCode::Invalid)) << "byte " << at;
    ASSERT_FALSE(std::filesystem::exists(target + "/store"));
  }
  std::ofstream(file, std::ios::binary | std::ios::trunc) << good.substr(0, good.size() / 2);
  EXPECT_THAT(error_of([&] { restore_backup(file, target); }), Is(ErrorCode::Invalid));
}

TEST_F(BackupTest, ARestoreThatWasCutOffIsBegunAnew) {
  await(store->backup(file));
  store.reset();
  std::filesystem::create_directories(target + "/store.restoring");
  std::ofstream(target + "/store.restoring/data.mdb") << "half";
  EXPECT_NO_THROW(restore_backup(file, target));
  EXPECT_FALSE(std::filesystem::exists(target + "/store.restoring"));
}

}  // namespace
}  // namespace gantry::store
