#include "tests/store/store_contract.hpp"

namespace gantry::store {

INSTANTIATE_TYPED_TEST_SUITE_P(Memory, StoreContract, StoreTest);
INSTANTIATE_TYPED_TEST_SUITE_P(Lmdb, StoreContract, LmdbStoreTest);

}  // namespace gantry::store
