// The part of oneDNN's C interface (3.x) that weft uses, declared here so that building needs no
// oneDNN headers. The library itself is opened at run time; every call goes through `api()`.
//
// Names and values are those of oneDNN's public, stable C API.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft {
namespace dnnl {

using Dim = int64_t;
constexpr int kMaxDims = 12;
using Dims = Dim[kMaxDims];

// Opaque handles.
using Engine = struct EngineHandle*;
using Stream = struct StreamHandle*;
using Memory = struct MemoryHandle*;
using MemoryDesc = struct MemoryDescHandle*;
using ConstMemoryDesc = const struct MemoryDescHandle*;
using PrimitiveDesc = struct PrimitiveDescHandle*;
using ConstPrimitiveDesc = const struct PrimitiveDescHandle*;
using Attr = struct AttrHandle*;
using ConstAttr = const struct AttrHandle*;
using PostOps = struct PostOpsHandle*;
using ConstPostOps = const struct PostOpsHandle*;
using PrimitiveHandle = struct PrimitiveObject*;
using ConstPrimitiveHandle = const struct PrimitiveObject*;

struct Version {
  int major, minor, patch;
  const char* hash;
  unsigned cpu_runtime, gpu_runtime;
};

struct ExecArg {
  int arg;
  Memory memory;
};

enum Status : int { kSuccess = 0, kOutOfMemory = 1, kInvalidArguments = 2, kUnimplemented = 3 };
enum DataType : int { kF32 = 3 };
enum EngineKind : int { kCpu = 1 };
enum StreamFlags : unsigned { kInOrder = 1 };
enum ScratchpadMode : int { kScratchpadUser = 1 };
enum FormatTag : int {
  kTagAny = 1,
  kTag_nChw16c = 78,
  kTag_OIhw16i16o = 79,
  kTag_nChw8c = 102,
  kTag_OIhw8i8o = 107,
  kTag_Ohwi16o = 211,
  kTag_Ohwi8o = 216,
};
enum PropKind : int { kForwardTraining = 64 };
enum AlgKind : int {
  kConvolutionDirect = 0x1,
  kDeconvolutionDirect = 0xa,
  kEltwiseRelu = 0x20,
  kEltwiseTanh = 0x21,
  kEltwiseElu = 0x22,
  kEltwiseSoftRelu = 0x27,
  kEltwiseLogistic = 0x29,
  kEltwiseClip = 0x2e,
  kEltwiseGeluErf = 0x31,
  kPoolingMax = 0x1ff,
  kPoolingAvgIncludePadding = 0x2ff,
  kPoolingAvgExcludePadding = 0x3ff,
};
enum Query : int {
  kQueryImplInfo = 8,
  kQuerySrc = 129,
  kQueryDiffSrc = 130,
  kQueryWeights = 131,
  kQueryDiffWeights = 132,
  kQueryDst = 133,
  kQueryDiffDst = 134,
  kQueryWorkspace = 135,
  kQueryScratchpad = 136,
};
enum Arg : int {
  kArgSrc = 1,
  kArgDst = 17,
  kArgWeights = 33,
  kArgBias = 41,
  kArgWorkspace = 64,
  kArgScratchpad = 80,
  kArgDiffSrc = 129,
  kArgDiffDst = 145,
  kArgDiffWeights = 161,
  kArgDiffBias = 169,
};

// (name, result, arguments) of every function used; each becomes a member of Api.
#define WEFT_DNNL_FUNCTIONS(X)                                                                    \
  X(version, const Version*, (void))                                                              \
  X(engine_create, Status, (Engine*, EngineKind, size_t))                                         \
  X(stream_create, Status, (Stream*, Engine, unsigned))                                           \
  X(stream_destroy, Status, (Stream))                                                             \
  X(memory_desc_create_with_strides, Status,                                                      \
    (MemoryDesc*, int ndims, const Dim* dims, DataType, const Dim* strides))                      \
  X(memory_desc_create_with_tag, Status,                                                          \
    (MemoryDesc*, int ndims, const Dim* dims, DataType, FormatTag))                               \
  X(memory_desc_clone, Status, (MemoryDesc*, ConstMemoryDesc))                                    \
  X(memory_desc_create_submemory, Status,                                                         \
    (MemoryDesc*, ConstMemoryDesc parent, const Dim* dims, const Dim* offsets))                   \
  X(memory_desc_destroy, Status, (MemoryDesc))                                                    \
  X(memory_desc_equal, int, (ConstMemoryDesc, ConstMemoryDesc))                                   \
  X(memory_desc_get_size, size_t, (ConstMemoryDesc))                                              \
  X(memory_create, Status, (Memory*, ConstMemoryDesc, Engine, void* handle))                      \
  X(memory_set_data_handle, Status, (Memory, void* handle))                                       \
  X(memory_destroy, Status, (Memory))                                                             \
  X(primitive_attr_create, Status, (Attr*))                                                       \
  X(primitive_attr_set_scratchpad_mode, Status, (Attr, ScratchpadMode))                           \
  X(primitive_attr_set_post_ops, Status, (Attr, ConstPostOps))                                    \
  X(post_ops_create, Status, (PostOps*))                                                          \
  X(post_ops_append_sum, Status, (PostOps, float scale, int32_t zero_point, DataType))            \
  X(post_ops_append_eltwise, Status, (PostOps, AlgKind, float alpha, float beta))                 \
  X(post_ops_destroy, Status, (PostOps))                                                          \
  X(primitive_attr_destroy, Status, (Attr))                                                       \
  X(primitive_desc_query, Status, (ConstPrimitiveDesc, Query, int index, void* result))           \
  X(primitive_desc_query_md, ConstMemoryDesc, (ConstPrimitiveDesc, Query, int index))             \
  X(primitive_desc_destroy, Status, (PrimitiveDesc))                                              \
  X(primitive_create, Status, (PrimitiveHandle*, ConstPrimitiveDesc))                             \
  X(primitive_execute, Status, (ConstPrimitiveHandle, Stream, int nargs, const ExecArg*))         \
  X(primitive_destroy, Status, (PrimitiveHandle))                                                 \
  X(reorder_primitive_desc_create, Status,                                                        \
    (PrimitiveDesc*, ConstMemoryDesc, Engine, ConstMemoryDesc, Engine, ConstAttr))                \
  X(convolution_forward_primitive_desc_create, Status,                                            \
    (PrimitiveDesc*, Engine, PropKind, AlgKind, ConstMemoryDesc src, ConstMemoryDesc weights,     \
     ConstMemoryDesc bias, ConstMemoryDesc dst, const Dim* strides, const Dim* dilates,           \
     const Dim* padding_l, const Dim* padding_r, ConstAttr))                                      \
  X(convolution_backward_data_primitive_desc_create, Status,                                      \
    (PrimitiveDesc*, Engine, AlgKind, ConstMemoryDesc diff_src, ConstMemoryDesc weights,          \
     ConstMemoryDesc diff_dst, const Dim* strides, const Dim* dilates, const Dim* padding_l,      \
     const Dim* padding_r, ConstPrimitiveDesc hint, ConstAttr))                                   \
  X(convolution_backward_weights_primitive_desc_create, Status,                                   \
    (PrimitiveDesc*, Engine, AlgKind, ConstMemoryDesc src, ConstMemoryDesc diff_weights,          \
     ConstMemoryDesc diff_bias, ConstMemoryDesc diff_dst, const Dim* strides, const Dim* dilates, \
     const Dim* padding_l, const Dim* padding_r, ConstPrimitiveDesc hint, ConstAttr))             \
  X(pooling_forward_primitive_desc_create, Status,                                                \
    (PrimitiveDesc*, Engine, PropKind, AlgKind, ConstMemoryDesc src, ConstMemoryDesc dst,         \
     const Dim* strides, const Dim* kernel, const Dim* dilation, const Dim* padding_l,            \
     const Dim* padding_r, ConstAttr))                                                            \
  X(pooling_backward_primitive_desc_create, Status,                                               \
    (PrimitiveDesc*, Engine, AlgKind, ConstMemoryDesc diff_src, ConstMemoryDesc diff_dst,         \
     const Dim* strides, const Dim* kernel, const Dim* dilation, const Dim* padding_l,            \
     const Dim* padding_r, ConstPrimitiveDesc hint, ConstAttr))                                   \
  X(sgemm, Status,                                                                                \
    (char transa, char transb, Dim m, Dim n, Dim k, float alpha, const float* a, Dim lda,         \
     const float* b, Dim ldb, float beta, float* c, Dim ldc))

struct Api {
#define WEFT_DNNL_MEMBER(name, result, arguments) result(*name) arguments;
  WEFT_DNNL_FUNCTIONS(WEFT_DNNL_MEMBER)
#undef WEFT_DNNL_MEMBER
  // From the OpenMP runtime that the library itself uses; null where it has none.
  int (*omp_get_max_threads)(void);
  void (*omp_set_num_threads)(int);
  Engine engine;  // the CPU, made once when the library is opened
};

// The opened library, or nullptr while there is none.
const Api* api();

// Opens the library at `path`, checks that it speaks the 3.x interface, and makes it `api()`.
// Returns false with the reason in `error` (`error_bytes` long) if it cannot be used. Once a
// library is open it stays: kernels hold its objects.
bool open_library(const char* path, char* error, size_t error_bytes);

}  // namespace dnnl
}  // namespace weft
