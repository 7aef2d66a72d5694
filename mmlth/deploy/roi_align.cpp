// RoIAlign's forward pass with a register of channels at a time: MMCV's own takes them one by one.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace {

using at::Tensor;

// Where a sample lies between four neighbours, and their weights.
struct Sample {
  int64_t places[4];
  float weights[4];
};

// One axis of a sample: two neighbours and the share of the second; false where it is outside.
bool neighbours(float at, int64_t size, int64_t* low, int64_t* high, float* share) {
  if (!(at >= -1.f && at <= static_cast<float>(size))) return false;
  at = std::max(at, 0.f);
  *low = static_cast<int64_t>(at);
  if (*low >= size - 1) {
    *low = *high = size - 1;
    *share = 0.f;
  } else {
    *high = *low + 1;
    *share = at - static_cast<float>(*low);
  }
  return true;
}

struct Pool {
  const float* features;  // N x H x W x C
  int64_t height, width, channels, out_h, out_w, sampling_ratio;
  float scale;
  bool aligned;
};

// Samples of one bin; those outside are left out, and count nevertheless.
void list_samples(const Pool& p, float top, float left, float bin_h, float bin_w, int64_t grid_h,
                  int64_t grid_w, std::vector<Sample>* samples) {
  samples->clear();
  for (int64_t i = 0; i < grid_h; ++i) {
    int64_t y0, y1, x0, x1;
    float dy, dx;
    if (!neighbours(top + (i + .5f) * bin_h / grid_h, p.height, &y0, &y1, &dy)) continue;
    for (int64_t j = 0; j < grid_w; ++j) {
      if (!neighbours(left + (j + .5f) * bin_w / grid_w, p.width, &x0, &x1, &dx)) continue;
      samples->push_back({{y0 * p.width + x0, y0 * p.width + x1, y1 * p.width + x0,
                           y1 * p.width + x1},
                          {(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx}});
    }
  }
}

// Sum of the samples of one bin, for all channels.
void add_samples(const Pool& p, const float* image, const std::vector<Sample>& samples,
                 float share, float* sums) {
  std::fill_n(sums, p.channels, 0.f);
  for (const Sample& sample : samples) {
    const float* a = image + sample.places[0] * p.channels;
    const float* b = image + sample.places[1] * p.channels;
    const float* c = image + sample.places[2] * p.channels;
    const float* d = image + sample.places[3] * p.channels;
    const float wa = sample.weights[0] * share, wb = sample.weights[1] * share;
    const float wc = sample.weights[2] * share, wd = sample.weights[3] * share;
#pragma GCC ivdep
    for (int64_t k = 0; k < p.channels; ++k)
      sums[k] += wa * a[k] + wb * b[k] + wc * c[k] + wd * d[k];
  }
}

// One region: C x out_h x out_w.
void pool_region(const Pool& p, const float* roi, std::vector<Sample>* samples, float* bins,
                 float* output) {
  float offset = p.aligned ? .5f : 0.f;
  float left = roi[1] * p.scale - offset, top = roi[2] * p.scale - offset;
  float width = roi[3] * p.scale - offset - left, height = roi[4] * p.scale - offset - top;
  if (!p.aligned) width = std::max(width, 1.f), height = std::max(height, 1.f);
  float bin_h = height / p.out_h, bin_w = width / p.out_w;
  bool fixed = p.sampling_ratio > 0;
  int64_t grid_h = fixed ? p.sampling_ratio : static_cast<int64_t>(std::ceil(height / p.out_h));
  int64_t grid_w = fixed ? p.sampling_ratio : static_cast<int64_t>(std::ceil(width / p.out_w));
  float share = 1.f / static_cast<float>(std::max<int64_t>(grid_h * grid_w, 1));
  const float* image =
      p.features + static_cast<int64_t>(roi[0]) * p.height * p.width * p.channels;
  int64_t count = p.out_h * p.out_w;
  for (int64_t bin = 0; bin < count; ++bin) {
    list_samples(p, top + bin / p.out_w * bin_h, left + bin % p.out_w * bin_w, bin_h, bin_w,
                 grid_h, grid_w, samples);
    add_samples(p, image, *samples, share, bins + bin * p.channels);
  }
  for (int64_t k = 0; k < p.channels; ++k)
    for (int64_t bin = 0; bin < count; ++bin) output[k * count + bin] = bins[bin * p.channels + k];
}

Tensor roi_align(const Tensor& given, const Tensor& given_rois, double scale, int64_t out_h,
                 int64_t out_w, int64_t sampling_ratio, bool aligned) {
  TORCH_CHECK(given.dim() == 4 && given.scalar_type() == at::kFloat && given.is_cpu(),
              "needs N x C x H x W float32 on the CPU, got ", given.sizes(), " ", given.options());
  TORCH_CHECK(given_rois.dim() == 2 && given_rois.size(1) == 5 && given_rois.is_cpu() &&
                  given_rois.scalar_type() == at::kFloat && out_h > 0 && out_w > 0,
              "needs regions of R x 5 float32 on the CPU, got ", given_rois.sizes());
  int64_t channels = given.size(1), regions = given_rois.size(0);
  Tensor output = at::empty({regions, channels, out_h, out_w}, given.options());
  if (output.numel() == 0) return output;
  Tensor features = given.permute({0, 2, 3, 1}).contiguous(), rois = given_rois.contiguous();
  const float* first = rois.const_data_ptr<float>();
  for (int64_t i = 0; i < rois.numel(); ++i)
    TORCH_CHECK(std::isfinite(first[i]), "region ", i / 5, " is not finite");
  for (int64_t r = 0; r < regions; ++r)
    TORCH_CHECK(first[r * 5] >= 0 && first[r * 5] < given.size(0), "region of image ",
                first[r * 5], " of ", given.size(0));
  Pool pool{features.const_data_ptr<float>(), given.size(2), given.size(3), channels, out_h, out_w,
            sampling_ratio, static_cast<float>(scale), aligned};
  float* target = output.mutable_data_ptr<float>();
  at::parallel_for(0, regions, 8, [&](int64_t begin, int64_t end) {
    std::vector<float> bins(out_h * out_w * channels);
    std::vector<Sample> samples;
    for (int64_t r = begin; r < end; ++r)
      pool_region(pool, first + r * 5, &samples, bins.data(),
                  target + r * channels * out_h * out_w);
  });
  return output;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(mmlth, m) {
  m.def("roi_align(Tensor features, Tensor regions, float scale, int out_h, int out_w, "
        "int sampling_ratio, bool aligned) -> Tensor", roi_align);
}
