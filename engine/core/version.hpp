#pragma once

namespace weft {

// Version of the C++ core's interface; raised when a header of engine/core changes incompatibly.
int core_interface_version();

}  // namespace weft
