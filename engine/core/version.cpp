#include "engine/core/version.hpp"

namespace weft {

int core_interface_version() { return 1; }

}  // namespace weft
