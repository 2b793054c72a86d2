#include "indexing_loops.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>

#include "engine/core/engine.hpp"
#include "ops/cpu/half.hpp"

namespace weft {
namespace {

template <class T>
void convert(const void* source, int64_t count, int64_t* target) {
  const T* values = static_cast<const T*>(source);
  for (int64_t i = 0; i < count; ++i) target[i] = static_cast<int64_t>(values[i]);
}

}  // namespace

void read_indices(const void* source, int type, int64_t count, int64_t* target) {
  switch (type) {
    case kFloat32: return convert<float>(source, count, target);
    case kFloat64: return convert<double>(source, count, target);
    case kUint8: return convert<uint8_t>(source, count, target);
    case kBool: return convert<uint8_t>(source, count, target);
    case kInt32: return convert<int32_t>(source, count, target);
    case kInt8: return convert<int8_t>(source, count, target);
    case kInt64: return convert<int64_t>(source, count, target);
    default: {
      const uint16_t* halves = static_cast<const uint16_t*>(source);
      for (int64_t i = 0; i < count; ++i)
        target[i] = static_cast<int64_t>(half_to_float(halves[i]));
    }
  }
}

namespace {

constexpr int64_t kGrain = 1 << 15;  // items a core is woken for

// --- indices ------------------------------------------------------------------------------------

// Indices as int64, converted once for each run: their arrays are small beside what they select.
class Indices {
 public:
  explicit Indices(int64_t count) : values_(count <= kInline ? inline_ : nullptr) {
    if (!values_) {
      heap_.reset(new int64_t[size_t(count)]);
      values_ = heap_.get();
    }
  }
  int64_t* data() { return values_; }

 private:
  static constexpr int64_t kInline = 256;
  int64_t inline_[kInline];
  std::unique_ptr<int64_t[]> heap_;
  int64_t* values_;
};

// Brings indices into [0, size) as `mode` says; non-zero with a message when they cannot be.
int bound_indices(int64_t* indices, int64_t count, int64_t size, int mode, const char* name,
                  char* error) {
  if (size <= 0 && count > 0) {
    std::snprintf(error, kErrorBytes, "%s: cannot select from an axis of size 0", name);
    return 1;
  }
  if (mode == kClip) {
    for (int64_t i = 0; i < count; ++i)
      indices[i] = std::min(std::max(indices[i], int64_t(0)), size - 1);
    return 0;
  }
  for (int64_t i = 0; i < count; ++i) {
    if (indices[i] >= 0 && indices[i] < size) continue;
    if (mode == kRaise) {
      std::snprintf(error, kErrorBytes,
                    "%s: index %" PRId64 " is out of bounds for an axis of size %" PRId64, name,
                    indices[i], size);
      return 1;
    }
    indices[i] %= size;
    if (indices[i] < 0) indices[i] += size;
  }
  return 0;
}

template <class Body>
void call_body(void* context, int64_t begin, int64_t end) {
  (*static_cast<Body*>(context))(begin, end);
}

// Runs body(begin, end) over [0, n) where one step touches about `work` items.
template <class Body>
void spread(int64_t n, int64_t work, Body body) {
  if (n * work <= 2 * kGrain) return body(int64_t(0), n);
  parallel_for(n, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, work)), call_body<Body>, &body);
}

template <class K>
void destroy_kernel(Kernel* self) {
  delete static_cast<K*>(self);
}

// Calls function(T()) with an unsigned type of `bytes`.
template <class Function>
int with_item(int bytes, Function function) {
  switch (bytes) {
    case 1: return function(uint8_t());
    case 2: return function(uint16_t());
    case 4: return function(uint32_t());
    default: return function(uint64_t());
  }
}

// --- take ---------------------------------------------------------------------------------------

struct TakeKernel : Kernel {
  TakeShape shape;
  int item, index_type, index_input, mode;

  TakeKernel(int (*run_)(Kernel*, const RunArgs*), TakeShape shape_, int item_, int index_type_,
             int index_input_, int mode_, double cost)
      : Kernel(run_, destroy_kernel<TakeKernel>, cost), shape(shape_), item(item_),
        index_type(index_type_), index_input(index_input_), mode(mode_) {}
};

template <class T>
void take_items(const TakeShape& shape, const T* data, const int64_t* indices, T* out) {
  spread(shape.outer * shape.count, 1, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end;) {
      const int64_t outer = i / shape.count;
      const int64_t stop = std::min(end, (outer + 1) * shape.count);
      const T* row = data + outer * shape.axis;
      const int64_t* index = indices - outer * shape.count;
      for (; i < stop; ++i) out[i] = row[index[i]];
    }
  });
}

void take_rows(const TakeShape& shape, int64_t row_bytes, const char* data, const int64_t* indices,
               char* out) {
  spread(shape.outer * shape.count, row_bytes / 4, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = (i / shape.count) * shape.axis + indices[i % shape.count];
      std::memcpy(out + i * row_bytes, data + row * row_bytes, size_t(row_bytes));
    }
  });
}

int run_take(Kernel* self, const RunArgs* args) {
  const TakeKernel& kernel = *static_cast<TakeKernel*>(self);
  const TakeShape& shape = kernel.shape;
  Indices indices(shape.count);
  read_indices(args->inputs[1], kernel.index_type, shape.count, indices.data());
  if (bound_indices(indices.data(), shape.count, shape.axis, kernel.mode, "take", args->error))
    return 1;
  if (shape.inner != 1) {
    take_rows(shape, shape.inner * kernel.item, static_cast<const char*>(args->inputs[0]),
              indices.data(), static_cast<char*>(args->outputs[0]));
    return 0;
  }
  return with_item(kernel.item, [&](auto item) {
    using T = decltype(item);
    take_items(shape, static_cast<const T*>(args->inputs[0]), indices.data(),
               static_cast<T*>(args->outputs[0]));
    return 0;
  });
}

struct HalfItem {
  uint16_t bits;
};
template <class T>
inline void add_to(T& target, T value) {
  target += value;
}
inline void add_to(HalfItem& target, HalfItem value) {
  target.bits = float_to_half(half_to_float(target.bits) + half_to_float(value.bits));
}

// Each core owns a range of rows (or of columns, when there are few rows) and looks through all
// indices for them: no locks, and sums in a fixed order whatever the number of cores.
template <class T>
void add_rows(const TakeShape& shape, const T* gradient, const int64_t* indices, T* out) {
  fill_items(out, shape.outer * shape.axis * shape.inner, int(sizeof(T)), 0);
  auto add = [=](int64_t outer, int64_t row_begin, int64_t row_end) {
    const T* source = gradient + outer * shape.count * shape.inner;
    T* target = out + outer * shape.axis * shape.inner;
    for (int64_t i = 0; i < shape.count; ++i) {
      if (indices[i] < row_begin || indices[i] >= row_end) continue;
      const T* from = source + i * shape.inner;
      T* to = target + indices[i] * shape.inner;
      for (int64_t k = 0; k < shape.inner; ++k) add_to(to[k], from[k]);
    }
  };
  if (shape.outer > 1) {
    spread(shape.outer, shape.count * shape.inner, [=](int64_t begin, int64_t end) {
      for (int64_t outer = begin; outer < end; ++outer) add(outer, 0, shape.axis);
    });
  } else if (shape.count * shape.inner <= 2 * kGrain) {
    add(0, 0, shape.axis);
  } else {
    // Few, large pieces: each scans all the indices.
    const int64_t pieces = std::min<int64_t>(16, shape.axis);
    spread(pieces, kGrain, [=](int64_t begin, int64_t end) {
      add(0, begin * shape.axis / pieces, end * shape.axis / pieces);
    });
  }
}

template <class T>
int add_rows_run(const TakeKernel& kernel, const RunArgs* args, const int64_t* indices) {
  add_rows(kernel.shape, static_cast<const T*>(args->inputs[0]), indices,
           static_cast<T*>(args->outputs[0]));
  return 0;
}

int run_take_gradient(Kernel* self, const RunArgs* args) {
  const TakeKernel& kernel = *static_cast<TakeKernel*>(self);
  const TakeShape& shape = kernel.shape;
  Indices indices(shape.count);
  read_indices(args->inputs[kernel.index_input], kernel.index_type, shape.count, indices.data());
  if (bound_indices(indices.data(), shape.count, shape.axis, kernel.mode, "take", args->error))
    return 1;
  switch (kernel.item) {
    case kFloat32: return add_rows_run<float>(kernel, args, indices.data());
    case kFloat64: return add_rows_run<double>(kernel, args, indices.data());
    case kFloat16: return add_rows_run<HalfItem>(kernel, args, indices.data());
    case kInt32: return add_rows_run<uint32_t>(kernel, args, indices.data());
    case kInt64: return add_rows_run<uint64_t>(kernel, args, indices.data());
    default: return add_rows_run<uint8_t>(kernel, args, indices.data());
  }
}

// --- pick ---------------------------------------------------------------------------------------

// Calls body(place in the small array, place in the large array) for every index.
template <class Body>
int for_picked(const TakeKernel& kernel, const RunArgs* args, Body body) {
  const TakeShape shape = kernel.shape;
  const int64_t count = shape.outer * shape.inner;
  Indices indices(count);
  int64_t* index = indices.data();
  read_indices(args->inputs[kernel.index_input], kernel.index_type, count, index);
  if (bound_indices(index, count, shape.axis, kernel.mode, "pick", args->error)) return 1;
  spread(count, 4, [=](int64_t begin, int64_t end) {
    if (shape.inner == 1) {
      for (int64_t i = begin; i < end; ++i) body(i, i * shape.axis + index[i]);
    } else {
      for (int64_t i = begin; i < end; ++i)
        body(i, ((i / shape.inner) * shape.axis + index[i]) * shape.inner + i % shape.inner);
    }
  });
  return 0;
}

int run_pick(Kernel* self, const RunArgs* args) {
  const TakeKernel& kernel = *static_cast<TakeKernel*>(self);
  return with_item(kernel.item, [&](auto item) {
    using T = decltype(item);
    const T* data = static_cast<const T*>(args->inputs[0]);
    T* out = static_cast<T*>(args->outputs[0]);
    return for_picked(kernel, args, [=](int64_t small, int64_t large) { out[small] = data[large]; });
  });
}

int run_pick_gradient(Kernel* self, const RunArgs* args) {
  const TakeKernel& kernel = *static_cast<TakeKernel*>(self);
  const TakeShape& shape = kernel.shape;
  fill_items(args->outputs[0], shape.outer * shape.axis * shape.inner, kernel.item, 0);
  return with_item(kernel.item, [&](auto item) {
    using T = decltype(item);
    const T* gradient = static_cast<const T*>(args->inputs[0]);
    T* out = static_cast<T*>(args->outputs[0]);
    return for_picked(kernel, args,
                      [=](int64_t small, int64_t large) { out[large] = gradient[small]; });
  });
}

// --- one_hot --------------------------------------------------------------------------------------

struct OneHotKernel : Kernel {
  int64_t count, depth;
  int item, index_type;
  uint64_t on, off;

  OneHotKernel(int (*run_)(Kernel*, const RunArgs*), double cost)
      : Kernel(run_, destroy_kernel<OneHotKernel>, cost) {}
};

int run_one_hot(Kernel* self, const RunArgs* args) {
  const OneHotKernel& kernel = *static_cast<OneHotKernel*>(self);
  Indices indices(kernel.count);
  const int64_t* index = indices.data();
  read_indices(args->inputs[0], kernel.index_type, kernel.count, indices.data());
  return with_item(kernel.item, [&](auto item) {
    using T = decltype(item);
    T* out = static_cast<T*>(args->outputs[0]);
    const int64_t depth = kernel.depth;
    const T on = static_cast<T>(kernel.on), off = static_cast<T>(kernel.off);
    spread(kernel.count, depth, [=](int64_t begin, int64_t end) {
      std::fill(out + begin * depth, out + end * depth, off);
      for (int64_t i = begin; i < end; ++i)
        if (index[i] >= 0 && index[i] < depth) out[i * depth + index[i]] = on;
    });
    return 0;
  });
}

// --- gather_nd, scatter_nd --------------------------------------------------------------------------

struct NdKernel : Kernel {
  NdShape shape;
  int item, index_type, index_input, mode;
  int64_t strides[kMaxIndexDims];  // in blocks

  NdKernel(int (*run_)(Kernel*, const RunArgs*), const NdShape& shape_, int item_, int index_type_,
           int index_input_, int mode_, double cost)
      : Kernel(run_, destroy_kernel<NdKernel>, cost), shape(shape_), item(item_),
        index_type(index_type_), index_input(index_input_), mode(mode_) {
    int64_t stride = 1;
    for (int i = shape.ndim - 1; i >= 0; --i) {
      strides[i] = stride;
      stride *= shape.dims[i];
    }
  }
  int64_t blocks() const { return shape.ndim ? strides[0] * shape.dims[0] : 1; }
};

// Turns the (ndim, count) index array into block numbers. A negative index counts from the end.
int flatten_indices(const NdKernel& kernel, const void* source, int64_t* places, char* error,
                    const char* name) {
  const NdShape& shape = kernel.shape;
  Indices row(shape.count);
  const int64_t bytes = item_size(kernel.index_type);
  std::fill_n(places, shape.count, int64_t(0));
  for (int d = 0; d < shape.ndim; ++d) {
    read_indices(static_cast<const char*>(source) + d * shape.count * bytes, kernel.index_type,
                 shape.count, row.data());
    for (int64_t i = 0; i < shape.count; ++i) {
      int64_t index = row.data()[i];
      if (index < -shape.dims[d] || index >= shape.dims[d]) {
        std::snprintf(error, kErrorBytes,
                      "%s: index %" PRId64 " is out of bounds for axis %d with size %" PRId64, name,
                      index, d, shape.dims[d]);
        return 1;
      }
      if (index < 0) index += shape.dims[d];
      places[i] += index * kernel.strides[d];
    }
  }
  return 0;
}

int run_gather_nd(Kernel* self, const RunArgs* args) {
  const NdKernel& kernel = *static_cast<NdKernel*>(self);
  const int64_t count = kernel.shape.count, block = kernel.shape.block;
  Indices indices(count);
  const int64_t* places = indices.data();
  if (flatten_indices(kernel, args->inputs[1], indices.data(), args->error, "gather_nd")) return 1;
  return with_item(kernel.item, [&](auto item) {
    using T = decltype(item);
    const T* data = static_cast<const T*>(args->inputs[0]);
    T* out = static_cast<T*>(args->outputs[0]);
    spread(count, block, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) std::copy_n(data + places[i] * block, block, out + i * block);
    });
    return 0;
  });
}

template <class T>
void add_blocks(const void* source, void* target, const int64_t* places, int64_t count,
                int64_t block) {
  const T* from = static_cast<const T*>(source);
  T* to = static_cast<T*>(target);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t k = 0; k < block; ++k) add_to(to[places[i] * block + k], from[i * block + k]);
}

// In order of the indices, on one core: of equal indices the last one wins.
int run_scatter_nd(Kernel* self, const RunArgs* args) {
  const NdKernel& kernel = *static_cast<NdKernel*>(self);
  const int64_t count = kernel.shape.count, block = kernel.shape.block;
  const int bytes = int(item_size(kernel.item));
  const bool into = kernel.mode == kScatterInto;
  const char* data = static_cast<const char*>(args->inputs[into ? 1 : 0]);
  char* out = static_cast<char*>(args->outputs[0]);
  Indices indices(count);
  const int64_t* places = indices.data();
  if (flatten_indices(kernel, args->inputs[kernel.index_input], indices.data(), args->error,
                      "scatter_nd"))
    return 1;
  if (!into)
    fill_items(out, kernel.blocks() * block, bytes, 0);
  else if (args->inputs[0] != args->outputs[0])
    std::memcpy(out, args->inputs[0], size_t(kernel.blocks() * block * bytes));
  if (kernel.mode != kScatterAdd) {
    for (int64_t i = 0; i < count; ++i)
      std::memcpy(out + places[i] * block * bytes, data + i * block * bytes, size_t(block * bytes));
    return 0;
  }
  switch (kernel.item) {
    case kFloat32: add_blocks<float>(data, out, places, count, block); break;
    case kFloat64: add_blocks<double>(data, out, places, count, block); break;
    case kFloat16: add_blocks<HalfItem>(data, out, places, count, block); break;
    case kInt32: add_blocks<uint32_t>(data, out, places, count, block); break;
    case kInt64: add_blocks<uint64_t>(data, out, places, count, block); break;
    default: add_blocks<uint8_t>(data, out, places, count, block); break;
  }
  return 0;
}

// --- where ----------------------------------------------------------------------------------------

struct WhereKernel : Kernel {
  int64_t count, block;
  int item, condition_type;

  WhereKernel(int (*run_)(Kernel*, const RunArgs*), int64_t count_, int64_t block_, int item_,
              int condition_type_, double cost)
      : Kernel(run_, destroy_kernel<WhereKernel>, cost), count(count_), block(block_), item(item_),
        condition_type(condition_type_) {}
};

// Calls function(condition pointer) with its own type; halves compare by their bits without the sign.
template <class Function>
int with_condition(int type, const void* condition, Function function) {
  switch (type) {
    case kFloat32: return function([p = static_cast<const float*>(condition)](int64_t i) { return p[i] != 0; });
    case kFloat64: return function([p = static_cast<const double*>(condition)](int64_t i) { return p[i] != 0; });
    case kFloat16:
      return function([p = static_cast<const uint16_t*>(condition)](int64_t i) { return (p[i] & 0x7fff) != 0; });
    case kInt32: return function([p = static_cast<const int32_t*>(condition)](int64_t i) { return p[i] != 0; });
    case kInt64: return function([p = static_cast<const int64_t*>(condition)](int64_t i) { return p[i] != 0; });
    default: return function([p = static_cast<const uint8_t*>(condition)](int64_t i) { return p[i] != 0; });
  }
}

int run_where(Kernel* self, const RunArgs* args) {
  const WhereKernel& kernel = *static_cast<WhereKernel*>(self);
  return with_item(kernel.item, [&](auto item) {
    using T = decltype(item);
    const T* x = static_cast<const T*>(args->inputs[1]);
    const T* y = static_cast<const T*>(args->inputs[2]);
    T* out = static_cast<T*>(args->outputs[0]);
    const int64_t block = kernel.block, count = kernel.count;
    return with_condition(kernel.condition_type, args->inputs[0], [=](auto chosen) {
      spread(count, block, [=](int64_t begin, int64_t end) {
        if (block == 1) {
          for (int64_t i = begin; i < end; ++i) {
            const T a = x[i], b = y[i];  // both loads, no branch: conditions are hard to predict
            out[i] = chosen(i) ? a : b;
          }
          return;
        }
        for (int64_t i = begin; i < end; ++i)
          std::copy_n((chosen(i) ? x : y) + i * block, block, out + i * block);
      });
      return 0;
    });
  });
}

int run_where_gradient(Kernel* self, const RunArgs* args) {
  const WhereKernel& kernel = *static_cast<WhereKernel*>(self);
  return with_item(kernel.item, [&](auto item) {
    using T = decltype(item);
    const T* gradient = static_cast<const T*>(args->inputs[0]);
    T* x = static_cast<T*>(args->outputs[0]);
    T* y = static_cast<T*>(args->outputs[1]);
    const int64_t block = kernel.block, count = kernel.count;
    return with_condition(kernel.condition_type, args->inputs[1], [=](auto chosen) {
      spread(count, 2 * block, [=](int64_t begin, int64_t end) {
        if (block == 1) {
          for (int64_t i = begin; i < end; ++i) {
            const T value = gradient[i];
            const T kept = chosen(i) ? value : T(0);
            x[i] = kept;
            y[i] = kept ^ value;  // the other one of value and zero
          }
          return;
        }
        for (int64_t i = begin; i < end; ++i) {
          const bool to_x = chosen(i);
          for (int64_t k = i * block; k < (i + 1) * block; ++k) {
            x[k] = to_x ? gradient[k] : T(0);
            y[k] = to_x ? T(0) : gradient[k];
          }
        }
      });
      return 0;
    });
  });
}

}  // namespace

Kernel* make_take(TakeShape shape, int item_bytes, int index_type, int mode, double cost_ns) {
  return new TakeKernel(run_take, shape, item_bytes, index_type, 1, mode, cost_ns);
}

Kernel* make_take_gradient(TakeShape shape, int item_type, int index_type, int index_input, int mode,
                           double cost_ns) {
  return new TakeKernel(run_take_gradient, shape, item_type, index_type, index_input, mode, cost_ns);
}

Kernel* make_pick(TakeShape shape, int item_bytes, int index_type, int mode, double cost_ns) {
  return new TakeKernel(run_pick, shape, item_bytes, index_type, 1, mode, cost_ns);
}

Kernel* make_pick_gradient(TakeShape shape, int item_bytes, int index_type, int index_input,
                           int mode, double cost_ns) {
  return new TakeKernel(run_pick_gradient, shape, item_bytes, index_type, index_input, mode, cost_ns);
}

Kernel* make_one_hot(int64_t count, int64_t depth, int item_bytes, int index_type, uint64_t on,
                     uint64_t off, double cost_ns) {
  auto* kernel = new OneHotKernel(run_one_hot, cost_ns);
  kernel->count = count;
  kernel->depth = depth;
  kernel->item = item_bytes;
  kernel->index_type = index_type;
  kernel->on = on;
  kernel->off = off;
  return kernel;
}

Kernel* make_gather_nd(const NdShape& shape, int item_bytes, int index_type, double cost_ns) {
  return new NdKernel(run_gather_nd, shape, item_bytes, index_type, 1, 0, cost_ns);
}

Kernel* make_scatter_nd(const NdShape& shape, int item_type, int index_type, int index_input,
                        int mode, double cost_ns) {
  return new NdKernel(run_scatter_nd, shape, item_type, index_type, index_input, mode, cost_ns);
}

Kernel* make_where(int64_t count, int64_t block, int item_bytes, int condition_type,
                   double cost_ns) {
  return new WhereKernel(run_where, count, block, item_bytes, condition_type, cost_ns);
}

Kernel* make_where_gradient(int64_t count, int64_t block, int item_bytes, int condition_type,
                            double cost_ns) {
  return new WhereKernel(run_where_gradient, count, block, item_bytes, condition_type, cost_ns);
}

}  // namespace weft
