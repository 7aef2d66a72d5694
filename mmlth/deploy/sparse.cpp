// Direct sparse convolution, after Park et al., "Faster CNNs with direct sparse convolutions and
// guided pruning", ICLR 2017.
//
// An output plane is one line of positions, row after row, cut into tiles of a few vector
// registers. Rows may be made longer than the output's, by positions that nobody reads, so that
// those above each other are equally aligned. Of a chunk of tiles, the input is copied once: for
// every input channel, column of the kernel and phase of the stride's rows, a line in which the
// positions that a kept weight reads lie one after the other. So padding, stride and dilation are
// gone, a kept weight is one offset into the copy, and a tile stays in registers while all kept
// weights of an output channel are streamed over it.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

namespace {

using at::Tensor;
using Ints = at::IntArrayRef;

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
#elif defined(__AVX__)
constexpr int64_t kLanes = 8;
#else
constexpr int64_t kLanes = 4;
#endif
// Half of the registers of AVX-512 and NEON, and all but what is needed besides of AVX2.
constexpr int64_t kMostVectors = kLanes == 8 ? 12 : 16;
constexpr int64_t kCacheLine = 16;  // floats

typedef float Vector __attribute__((vector_size(kLanes * sizeof(float)), aligned(4)));

struct Geometry {
  int64_t kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
  int64_t groups, channels, out_channels, block, tile, chunk;
  int64_t row;  // positions of a row of the line

  explicit Geometry(Ints g) {
    TORCH_CHECK(g.size() == 15, "geometry needs 15 numbers, got ", g.size());
    kernel_h = g[0], kernel_w = g[1], stride_h = g[2], stride_w = g[3];
    padding_h = g[4], padding_w = g[5], dilation_h = g[6], dilation_w = g[7];
    groups = g[8], channels = g[9], out_channels = g[10];
    block = g[11], tile = g[12], chunk = g[13], row = g[14];
    for (size_t i = 0; i < g.size(); ++i)
      TORCH_CHECK(g[i] > 0 || ((i == 4 || i == 5) && g[i] == 0), "geometry ", g, " at ", i);
    TORCH_CHECK(tile <= kMostVectors, "tile of ", tile, " vectors, at most ", kMostVectors);
    TORCH_CHECK(channels % groups == 0 && out_channels % groups == 0, "groups of ", g);
  }

  int64_t phases() const { return kernel_h > 1 ? stride_h : 1; }
  int64_t positions() const { return chunk * tile * kLanes; }
  // Floats of a line of the copy that are used: those of the chunk, and of rows below it.
  int64_t used() const { return positions() + (kernel_h - 1) * dilation_h / stride_h * row; }
  // Floats from one line to the next: an odd number of cache lines, or many would fall into the
  // same few sets of the cache.
  int64_t span() const { return ((used() + kCacheLine - 1) / kCacheLine | 1) * kCacheLine; }
  int64_t out_h(int64_t h) const {
    return (h + 2 * padding_h - dilation_h * (kernel_h - 1) - 1) / stride_h + 1;
  }
  int64_t out_w(int64_t w) const {
    return (w + 2 * padding_w - dilation_w * (kernel_w - 1) - 1) / stride_w + 1;
  }
};

// Where every kept weight reads in the copy. taps: (channel in its block * kernel_h + row) *
// kernel_w + column of each, int32.
Tensor offsets(const Tensor& taps, Ints numbers) {
  Geometry g(numbers);
  int64_t span = g.span(), size = g.block * g.kernel_h * g.kernel_w;
  TORCH_CHECK(g.block * g.kernel_w * g.phases() * span < (int64_t(1) << 31), "too wide a block");
  std::vector<int32_t> table(size);
  for (int64_t i = 0; i < size; ++i) {
    int64_t column = i % g.kernel_w, y = i / g.kernel_w % g.kernel_h;
    int64_t line = (i / g.kernel_w / g.kernel_h * g.kernel_w + column) * g.phases();
    line += y * g.dilation_h % g.stride_h;
    table[i] = line * span + y * g.dilation_h / g.stride_h * g.row;
  }
  Tensor result = at::empty_like(taps);
  const int32_t* from = taps.const_data_ptr<int32_t>();
  int32_t* to = result.mutable_data_ptr<int32_t>();
  for (int64_t i = 0; i < taps.numel(); ++i) {
    TORCH_CHECK(from[i] >= 0 && from[i] < size, "tap ", from[i], " of ", size);
    to[i] = table[from[i]];
  }
  return result;
}

// Output columns [from, to) that read inside a row of the input, as one column of the kernel does.
struct Inside {
  int64_t shift, from, to;

  Inside(const Geometry& g, int64_t column, int64_t width, int64_t out_w) {
    shift = column * g.dilation_w - g.padding_w;
    auto first_at = [&](int64_t x) {  // the first output column that reads at x or behind it
      int64_t needed = x - shift;
      return needed <= 0 ? int64_t(0) : (needed + g.stride_w - 1) / g.stride_w;
    };
    from = std::min(first_at(0), out_w);
    to = std::clamp(first_at(width), from, out_w);
  }
};

// One line of the copy: positions [start, start + count) of a plane, as one column and phase of
// the kernel read them.
void copy_line(const Geometry& g, const float* plane, int64_t height, int64_t width, int64_t out_w,
               int64_t column, int64_t phase, int64_t start, int64_t count, float* target) {
  const Inside inside(g, column, width, out_w);
  int64_t y = start / g.row * g.stride_h + phase - g.padding_h, x = start % g.row;
  for (; count > 0; y += g.stride_h, x = 0) {
    int64_t end = std::min(g.row, x + count);
    bool is_row = y >= 0 && y < height;
    int64_t from = is_row ? std::clamp(inside.from, x, end) : end;
    int64_t to = is_row ? std::clamp(inside.to, from, end) : end;
    const float* source = plane + y * width + inside.shift;
    float* row = target - x;
    for (int64_t i = x; i < from; ++i) row[i] = 0.f;
    if (g.stride_w == 1) {
      for (int64_t i = from; i < to; ++i) row[i] = source[i];
    } else {
      for (int64_t i = from; i < to; ++i) row[i] = source[i * g.stride_w];
    }
    for (int64_t i = to; i < end; ++i) row[i] = 0.f;
    target += end - x;
    count -= end - x;
  }
}

// Lines of the copy whose positions are the rows of a matrix with ``columns`` features: transpose.
void copy_rows(const float* matrix, int64_t columns, int64_t from, int64_t to, int64_t start,
               int64_t count, int64_t span, float* copy) {
  for (int64_t p = 0; p < count; p += kCacheLine) {  // squares of cache lines, read and written
    int64_t height = std::min(kCacheLine, count - p);
    for (int64_t c = from; c < to; c += kCacheLine) {
      int64_t width = std::min(kCacheLine, to - c);
      const float* source = matrix + (start + p) * columns + c;
      float* target = copy + (c - from) * span + p;
      for (int64_t k = 0; k < width; ++k)
        for (int64_t q = 0; q < height; ++q) target[k * span + q] = source[q * columns + k];
    }
  }
}

// Add the kept weights of one output channel, times what they read, to a tile of T vectors, which
// holds nothing yet where it is new.
template <int T>
void stream(const float* copy, const float* values, const int32_t* offsets, int64_t count,
            bool is_new, float* tile) {
  Vector sums[T];
  for (int t = 0; t < T; ++t)
    sums[t] = is_new ? Vector{} : *reinterpret_cast<const Vector*>(tile + t * kLanes);
  for (int64_t i = 0; i < count; ++i) {
    const float* source = copy + offsets[i];
    const float value = values[i];
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t)
      sums[t] += value * *reinterpret_cast<const Vector*>(source + t * kLanes);
  }
  for (int t = 0; t < T; ++t) *reinterpret_cast<Vector*>(tile + t * kLanes) = sums[t];
}

using Stream = void (*)(const float*, const float*, const int32_t*, int64_t, bool, float*);

template <size_t... T>
constexpr std::array<Stream, sizeof...(T)> streams(std::index_sequence<T...>) {
  return {stream<T + 1>...};
}

constexpr auto kStreams = streams(std::make_index_sequence<kMostVectors>());

struct Layer {
  Geometry g;
  const float* values;
  const int32_t* offsets;
  // Of (group, block of input channels, output channel): where its kept weights start, and which
  // output channel of the group it is.
  const int64_t* starts;
  const int32_t* order;
  const float* bias;
  bool relu;
  bool is_matrix;  // the input is positions x channels, not channels x rows x columns
  int64_t in_channels, height, width, out_w, positions, span;  // positions: out_h * g.row
};

// The copy of input channels [from, to) of a group, of positions [start, start + count).
void fill_copy(const Layer& l, const float* image, int64_t group, int64_t from, int64_t to,
               int64_t start, int64_t count, float* copy) {
  if (l.is_matrix) return copy_rows(image, l.in_channels, from, to, start, count, l.span, copy);
  for (int64_t c = group * l.in_channels + from; c < group * l.in_channels + to; ++c)
    for (int64_t column = 0; column < l.g.kernel_w; ++column)
      for (int64_t phase = 0; phase < l.g.phases(); ++phase, copy += l.span)
        copy_line(l.g, image + c * l.height * l.width, l.height, l.width, l.out_w, column, phase,
                  start, count, copy);
}

// Ask for a tile before it is needed.
void fetch(const float* tile, int64_t count) {
  for (int64_t i = 0; i < count; i += kCacheLine) __builtin_prefetch(tile + i, 1);
}

// Sums of positions [start, start + count) of one output channel -> its output.
void finish(const Layer& l, const float* sums, float bias, int64_t start, int64_t count,
            float* plane) {
  const float least = l.relu ? 0.f : -std::numeric_limits<float>::infinity();
  int64_t y = start / l.g.row, x = start % l.g.row;
  for (; count > 0; ++y, x = 0) {
    int64_t end = std::min(l.g.row, x + count), real = std::min(end, l.out_w);
    float* output = plane + y * l.out_w;
    for (int64_t i = x; i < real; ++i) {
      float value = sums[i - x] + bias;
      output[i] = value < least ? least : value;  // what isn't a number stays so
    }
    sums += end - x;
    count -= end - x;
  }
}

// One chunk of positions of one image, for output channels [first, last) of one group. The sums of
// a tile lie side by side, channel by channel, whatever the size of an output plane: planes of a
// power of two apart, they would fall into the same few sets of the cache.
void run_chunk(const Layer& l, const float* image, float* output, int64_t group, int64_t first,
               int64_t last, int64_t start, float* copy, float* sums) {
  const Geometry& g = l.g;
  const int64_t size = g.tile * kLanes, plane = l.positions / g.row * l.out_w;
  int64_t count = std::min(g.positions(), l.positions - start);
  int64_t needed = count + g.used() - g.positions();
  int64_t blocks = (l.in_channels + g.block - 1) / g.block, outs = g.out_channels / g.groups;
  auto is_own = [&](int64_t o) { return first <= o && o < last; };  // no other thread's
  auto tile_of = [&](int64_t o, int64_t at) {
    return sums + at * (last - first) + (o - first) * size;
  };
  for (int64_t block = 0; block < blocks; ++block) {
    int64_t from = block * g.block, to = std::min(from + g.block, l.in_channels);
    fill_copy(l, image, group, from, to, start, needed, copy);
    const int64_t* starts = l.starts + (group * blocks + block) * outs;
    const int32_t* order = l.order + (group * blocks + block) * outs;
    // What a tile reads stays in the nearest cache while all output channels pass over it.
    for (int64_t at = 0; at < count; at += size) {
      const Stream stream = kStreams[(std::min(size, count - at) + kLanes - 1) / kLanes - 1];
      for (int64_t i = 0; i < outs; ++i) {
        if (i + 1 < outs && is_own(order[i + 1])) fetch(tile_of(order[i + 1], at), size);
        if (!is_own(order[i]) || (block > 0 && starts[i] == starts[i + 1])) continue;
        stream(copy + at, l.values + starts[i], l.offsets + starts[i], starts[i + 1] - starts[i],
               block == 0, tile_of(order[i], at));
      }
    }
  }
  for (int64_t o = first; o < last; ++o)
    for (int64_t at = 0; at < count; at += size)
      finish(l, tile_of(o, at), l.bias[group * outs + o], start + at, std::min(size, count - at),
             output + (group * outs + o) * plane);
}

// Floats from the first cache line of a space on.
float* aligned(const std::unique_ptr<float[]>& space) {
  return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(space.get()) + 63) / 64 * 64);
}

// Where a chunk is all there is, threads share its output channels; else they share the chunks.
int64_t parts_of(int64_t tasks, int64_t outs) {
  int64_t threads = at::get_num_threads();
  return tasks == 0 || tasks >= threads ? 1 : std::min(outs, (threads + tasks - 1) / tasks);
}

// Run a layer over all images; target: images x out_channels x positions.
void run(const Layer& layer, const float* source, int64_t images, float* target) {
  const Geometry& g = layer.g;
  int64_t outs = g.out_channels / g.groups;
  int64_t chunks = (layer.positions + g.positions() - 1) / g.positions();
  int64_t parts = parts_of(images * g.groups * chunks, outs);
  int64_t plane = layer.positions / g.row * layer.out_w;
  at::parallel_for(0, images * g.groups * chunks * parts, 1, [&](int64_t begin, int64_t end) {
    int64_t lines = std::min(g.block, layer.in_channels) * g.kernel_w * g.phases();
    std::unique_ptr<float[]> copy(new float[lines * layer.span + kCacheLine]);
    int64_t own = (outs + parts - 1) / parts;
    std::unique_ptr<float[]> sums(new float[own * g.positions() + kCacheLine]);
    for (int64_t task = begin; task < end; ++task) {
      int64_t part = task % parts, chunk = task / parts % chunks;
      int64_t group = task / parts / chunks % g.groups, image = task / parts / chunks / g.groups;
      run_chunk(layer, source + image * g.channels * layer.height * layer.width,
                target + image * g.out_channels * plane, group, outs * part / parts,
                outs * (part + 1) / parts, chunk * g.positions(), aligned(copy), aligned(sums));
    }
  });
}

// What a layer needs besides its input; the shape of the output is checked to be one.
Layer layer_of(const Geometry& g, const Tensor& values, const Tensor& offsets, const Tensor& starts,
               const Tensor& order, const Tensor& bias, bool relu, int64_t height,
               int64_t width) {
  int64_t out_h = g.out_h(height), out_w = g.out_w(width), in_channels = g.channels / g.groups;
  TORCH_CHECK(out_h > 0 && out_w > 0, "an input of ", height, " x ", width, " is too small");
  TORCH_CHECK(g.row >= out_w, "rows of ", g.row, " positions, the output's have ", out_w);
  int64_t blocks = (in_channels + g.block - 1) / g.block;
  TORCH_CHECK(starts.numel() == g.out_channels * blocks + 1, "starts of ", starts.numel());
  TORCH_CHECK(order.numel() == g.out_channels * blocks, "order of ", order.numel());
  TORCH_CHECK(bias.numel() == g.out_channels, "a bias of ", bias.numel());
  return {g, values.const_data_ptr<float>(), offsets.const_data_ptr<int32_t>(),
          starts.const_data_ptr<int64_t>(), order.const_data_ptr<int32_t>(),
          bias.const_data_ptr<float>(), relu, false, in_channels, height, width, out_w,
          out_h * g.row, g.span()};
}

void check_input(const Tensor& input, int64_t dimensions, int64_t channels) {
  TORCH_CHECK(input.dim() == dimensions && input.scalar_type() == at::kFloat && input.is_cpu(),
              "needs float32 of ", dimensions, " dimensions on the CPU, got ", input.sizes(), " ",
              input.options());
  TORCH_CHECK(input.size(1) == channels, "an input of ", input.size(1), " channels, not ",
              channels);
}

// N x C x H x W -> N x O x H' x W'
Tensor conv2d(const Tensor& given, const Tensor& values, const Tensor& offsets,
              const Tensor& starts, const Tensor& order, const Tensor& bias, Ints numbers,
              bool relu) {
  Geometry g(numbers);
  check_input(given, 4, g.channels);
  Tensor input = given.contiguous();
  int64_t height = input.size(2), width = input.size(3);
  Layer layer = layer_of(g, values, offsets, starts, order, bias, relu, height, width);
  Tensor output = at::empty(
      {input.size(0), g.out_channels, g.out_h(height), g.out_w(width)}, input.options());
  run(layer, input.const_data_ptr<float>(), input.size(0), output.mutable_data_ptr<float>());
  return output;
}

// R x C -> O x R: a 1x1 convolution whose positions are rows.
Tensor linear(const Tensor& given, const Tensor& values, const Tensor& offsets,
              const Tensor& starts, const Tensor& order, const Tensor& bias, Ints numbers,
              bool relu) {
  Geometry g(numbers);
  check_input(given, 2, g.channels);
  TORCH_CHECK(g.kernel_h == 1 && g.kernel_w == 1 && g.groups == 1, "no linear layer: ", numbers);
  Tensor input = given.contiguous();
  Layer layer = layer_of(g, values, offsets, starts, order, bias, relu, 1, input.size(0));
  layer.is_matrix = true;
  Tensor output = at::empty({g.out_channels, input.size(0)}, input.options());
  run(layer, input.const_data_ptr<float>(), 1, output.mutable_data_ptr<float>());
  return output;
}

int64_t lanes() { return kLanes; }
int64_t most_vectors() { return kMostVectors; }

}  // namespace

TORCH_LIBRARY_FRAGMENT(mmlth, m) {
  m.def("conv2d(Tensor input, Tensor values, Tensor offsets, Tensor starts, Tensor order, "
        "Tensor bias, int[] geometry, bool relu) -> Tensor", conv2d);
  m.def("linear(Tensor input, Tensor values, Tensor offsets, Tensor starts, Tensor order, "
        "Tensor bias, int[] geometry, bool relu) -> Tensor", linear);
  m.def("offsets(Tensor taps, int[] geometry) -> Tensor", offsets);
  m.def("lanes() -> int", lanes);
  m.def("most_vectors() -> int", most_vectors);
}
