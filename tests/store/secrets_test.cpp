// Secrets at rest, and what is refused at the door: keys, foreign files, a second process.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "tests/store/fixture.hpp"

namespace gantry::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void spill(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}
mode_t mode_of(const std::string& path) {
  struct stat info{};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 0777;
}

class AtRestTest : public LmdbStoreTest {
 public:
  AtRestTest() {
    open();
    create({kSecrets, "prod", "db"}, "hunter2-hunter2");
    create(app("a"), "in-the-open");
  }
  Error refusal() {
    store.reset();
    return error_of([&] { open(); });
  }
  std::string key_file = options.data_dir + "/secrets.key";
  std::string data_file = options.data_dir + "/store/data.mdb";
};

TEST_F(AtRestTest, SecretsCannotBeReadFromTheDisk) {
  const auto bytes = slurp(data_file);
  EXPECT_THAT(bytes, HasSubstr("in-the-open"));
  EXPECT_THAT(bytes, Not(HasSubstr("hunter2")));
  open();
  EXPECT_EQ(spec_of(store->find({kSecrets, "prod", "db"})), json::Value("hunter2-hunter2"));
  remove(store->find({kSecrets, "prod", "db"}));
  EXPECT_THAT(slurp(data_file), Not(HasSubstr("hunter2")));  // the row of a deletion holds the last state
}

TEST_F(AtRestTest, FilesAreForTheOwnerAlone) {
  EXPECT_EQ(mode_of(key_file), 0600u);
  EXPECT_EQ(mode_of(data_file), 0600u);
  EXPECT_EQ(mode_of(options.data_dir + "/store/lock"), 0600u);
  EXPECT_EQ(mode_of(options.data_dir + "/store"), 0700u);
}

TEST_F(AtRestTest, AMissingKeyIsNotReplacedByANewOne) {
  store.reset();
  std::filesystem::rename(key_file, key_file + ".away");
  const Error error = refusal();
  EXPECT_THAT(error, Is(ErrorCode::Invalid));
  EXPECT_THAT(error.message(), AllOf(HasSubstr("missing"), HasSubstr("put the file back")));
  EXPECT_FALSE(std::filesystem::exists(key_file));
  std::filesystem::rename(key_file + ".away", key_file);
  open();
  EXPECT_NE(store->find({kSecrets, "prod", "db"}), nullptr);
}

TEST_F(AtRestTest, AnotherKeyIsRefused) {
  store.reset();
  spill(key_file, std::string(64, 'a') + "\n");
  EXPECT_THAT(refusal(), AllOf(Is(ErrorCode::Invalid)));
  spill(key_file, "not a key");
  EXPECT_THAT(refusal().message(), HasSubstr("64 lower-case hex digits"));
}

TEST_F(AtRestTest, AKeyThatOthersMayReadIsRefused) {
  ::chmod(key_file.c_str(), 0644);
  const Error error = refusal();
  EXPECT_THAT(error, Is(ErrorCode::Invalid));
  EXPECT_THAT(error.message(), HasSubstr("chmod 600"));
}

TEST_F(AtRestTest, ARowMovedToAnotherKeyDoesNotOpen) {
  SeededRandom random(7);
  const Cipher cipher(std::string(32, 'k'), random);
  std::string sealed;
  cipher.seal(sealed, "hunter2", "row 1");
  EXPECT_EQ(cipher.open(sealed, "row 1"), "hunter2");
  EXPECT_THAT(error_of([&] { cipher.open(sealed, "row 2"); }), Is(ErrorCode::Internal));
  sealed[14] ^= 1;
  EXPECT_THAT(error_of([&] { cipher.open(sealed, "row 1"); }), Is(ErrorCode::Internal));
}

TEST_F(AtRestTest, TheStoreHasOneProcessAtATime) {
  const Error error = error_of([&] { open_store(); });
  EXPECT_THAT(error, Is(ErrorCode::Unavailable));
  EXPECT_THAT(error.message(), HasSubstr(std::to_string(::getpid())));
}

TEST_F(AtRestTest, AFileOfAnotherProgramIsRefusedAndLeftAlone) {
  store.reset();
  const std::string foreign(100'000, 'z');
  spill(data_file, foreign);
  EXPECT_THAT(refusal(), Is(ErrorCode::Invalid));
  EXPECT_EQ(slurp(data_file), foreign);
}

TEST_F(AtRestTest, DataThatIsGoneIsNotTakenForAFirstStart) {
  store.reset();
  spill(data_file, "");
  EXPECT_THAT(refusal().message(), HasSubstr("gone or empty"));
  std::filesystem::remove(data_file);
  EXPECT_THAT(refusal().message(), HasSubstr("gone or empty"));
}

TEST_F(AtRestTest, AShortenedFileIsRefused) {
  store.reset();
  std::filesystem::resize_file(data_file, 8192 + 4096);
  EXPECT_THAT(refusal(), Is(ErrorCode::Internal));
}

}  // namespace
}  // namespace gantry::store
