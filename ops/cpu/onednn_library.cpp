// Opening oneDNN at run time.
#include "ops/cpu/onednn_api.hpp"

#include <dlfcn.h>

#include <atomic>
#include <cstdio>
#include <mutex>

namespace weft {
namespace dnnl {

namespace {

std::atomic<const Api*> opened{nullptr};

bool resolve(void* library, Api* found, char* error, size_t error_bytes) {
#define WEFT_DNNL_RESOLVE(name, result, arguments)                               \
  found->name = reinterpret_cast<result(*) arguments>(dlsym(library, "dnnl_" #name)); \
  if (!found->name) {                                                            \
    std::snprintf(error, error_bytes, "it has no function dnnl_" #name);         \
    return false;                                                                \
  }
  WEFT_DNNL_FUNCTIONS(WEFT_DNNL_RESOLVE)
#undef WEFT_DNNL_RESOLVE
  // dlsym on a handle also searches what the library depends on: this is its own runtime.
  found->omp_get_max_threads =
      reinterpret_cast<int (*)(void)>(dlsym(library, "omp_get_max_threads"));
  found->omp_set_num_threads =
      reinterpret_cast<void (*)(int)>(dlsym(library, "omp_set_num_threads"));
  const Version* version = found->version();
  if (version->major != 3) {
    std::snprintf(error, error_bytes, "it is version %d.%d.%d; weft speaks 3.x", version->major,
                  version->minor, version->patch);
    return false;
  }
  return true;
}

}  // namespace

const Api* api() { return opened.load(std::memory_order_acquire); }

bool open_library(const char* path, char* error, size_t error_bytes) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> guard(mutex);
  if (api()) return true;
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* reason = dlerror();
    std::snprintf(error, error_bytes, "%s", reason ? reason : "dlopen failed");
    return false;
  }
  Api* found = new Api();
  if (!resolve(library, found, error, error_bytes)) {
    delete found;
    dlclose(library);
    return false;
  }
  if (found->engine_create(&found->engine, kCpu, 0) != kSuccess) {
    std::snprintf(error, error_bytes, "it offers no CPU engine");
    delete found;
    dlclose(library);
    return false;
  }
  opened.store(found, std::memory_order_release);
  return true;
}

}  // namespace dnnl
}  // namespace weft
