// Max pooling, rows before columns: torch's takes window by window in this memory format.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace {

using at::Tensor;
using Ints = at::IntArrayRef;

constexpr float kLeast = -std::numeric_limits<float>::infinity();

// As torch has it: what isn't a number wins.
inline float larger(float most, float value) {
  return value > most || value != value ? value : most;
}

// The largest of each column, of rows [from, to) of a plane.
void pool_rows(const float* plane, int64_t width, int64_t from, int64_t to, float* line) {
  std::fill_n(line, width, kLeast);
  for (int64_t y = from; y < to; ++y) {
    const float* row = plane + y * width;
#pragma GCC ivdep
    for (int64_t x = 0; x < width; ++x) line[x] = larger(line[x], row[x]);
  }
}

// The largest of every window of a line.
void pool_columns(const float* line, int64_t kernel, int64_t stride, int64_t count, float* output) {
  std::fill_n(output, count, kLeast);
  for (int64_t k = 0; k < kernel; ++k) {
#pragma GCC ivdep
    for (int64_t x = 0; x < count; ++x) output[x] = larger(output[x], line[x * stride + k]);
  }
}

// N x C x H x W -> N x C x H' x W'. kernel, stride, padding: of rows and columns.
Tensor max_pool2d(const Tensor& given, Ints kernel, Ints stride, Ints padding) {
  TORCH_CHECK(given.dim() == 4 && given.scalar_type() == at::kFloat && given.is_cpu(),
              "needs N x C x H x W float32 on the CPU, got ", given.sizes(), " ", given.options());
  int64_t size[2];
  for (int i = 0; i < 2; ++i) {
    TORCH_CHECK(stride[i] > 0 && padding[i] >= 0 && 2 * padding[i] <= kernel[i],
                "windows of ", kernel, ", stride ", stride, ", padding ", padding);
    int64_t free = given.size(2 + i) + 2 * padding[i] - kernel[i];
    TORCH_CHECK(free >= 0, "an input of ", given.sizes(), " is too small");
    size[i] = free / stride[i] + 1;
  }
  Tensor input = given.contiguous();
  int64_t height = input.size(2), width = input.size(3);
  Tensor output = at::empty({input.size(0), input.size(1), size[0], size[1]}, input.options());
  const float* source = input.const_data_ptr<float>();
  float* target = output.mutable_data_ptr<float>();
  at::parallel_for(0, input.size(0) * input.size(1), 1, [&](int64_t begin, int64_t end) {
    std::vector<float> line(width + 2 * padding[1], kLeast);
    for (int64_t plane = begin; plane < end; ++plane)
      for (int64_t y = 0; y < size[0]; ++y) {
        int64_t top = y * stride[0] - padding[0];
        pool_rows(source + plane * height * width, width, std::max<int64_t>(top, 0),
                  std::min(top + kernel[0], height), line.data() + padding[1]);
        pool_columns(line.data(), kernel[1], stride[1], size[1],
                     target + (plane * size[0] + y) * size[1]);
      }
  });
  return output;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(mmlth, m) {
  m.def("max_pool2d(Tensor input, int[2] kernel, int[2] stride, int[2] padding) -> Tensor",
        max_pool2d);
}
