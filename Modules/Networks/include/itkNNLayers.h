/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkNNLayers_h
#define itkNNLayers_h

#include "UniverSegNetworksExport.h"
#include "itkNNGraph.h"

#include <optional>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \defgroup UniverSegLayers Layers
 * Layers of several operators, as the frameworks define them. They add nodes to a
 * graph and return the result; what they need of weights is passed in. Scale and
 * offset have one value a channel.
 * \ingroup UniverSegNetworks */

/** A scale and an offset of each channel; both or none. */
struct ChannelAffine
{
  ValueId scale = -1;  ///< [C]
  ValueId offset = -1; ///< [C]

  bool IsDefined() const
  {
    return scale >= 0;
  }
};

/** What a normalisation found, with the axes that it is over of extent 1.
 * \ingroup UniverSegLayers */
struct NormalizationMoments
{
  ValueId mean = -1;
  ValueId variance = -1; ///< squares divided by the number of elements
};

/** (x - mean) / sqrt(variance + epsilon), both over the axes; the variance is that
 * of all elements, divided by their number.
 * \param axes may be negative.
 * \param moments receives the mean and the variance, unless it is null.
 * \ingroup UniverSegLayers */
UniverSegNetworks_EXPORT ValueId AddNormalization(Graph & graph,
                                                  ValueId x,
                                                  std::vector<int> axes,
                                                  double epsilon = 1e-5,
                                                  const std::string & name = "normalization",
                                                  NormalizationMoments * moments = nullptr);

/** x * scale + offset for each channel of [batch..., C, spatial...].
 * \param rank number of spatial axes. \ingroup UniverSegLayers */
UniverSegNetworks_EXPORT ValueId AddChannelAffine(
  Graph & graph, ValueId x, std::size_t rank, const ChannelAffine & affine, const std::string & name = "affine");

/** Over the pixels of each channel of each image.
 * \param x [batch..., C, spatial...]
 * \param rank number of spatial axes. \ingroup UniverSegLayers */
UniverSegNetworks_EXPORT ValueId AddInstanceNormalization(Graph & graph,
                                                          ValueId x,
                                                          std::size_t rank,
                                                          const ChannelAffine & affine = {},
                                                          double epsilon = 1e-5,
                                                          const std::string & name = "instance_norm");

/** Over the pixels and channels of each of several groups of channels of each
 * image. Throws Error when the groups do not divide the channels.
 * \param x [batch..., C, spatial...]. \ingroup UniverSegLayers */
UniverSegNetworks_EXPORT ValueId AddGroupNormalization(Graph & graph,
                                                       ValueId x,
                                                       std::size_t rank,
                                                       std::int64_t groups,
                                                       const ChannelAffine & affine = {},
                                                       double epsilon = 1e-5,
                                                       const std::string & name = "group_norm");

/** Over the last axis, the features of a token.
 * \param affine of the features. \ingroup UniverSegLayers */
UniverSegNetworks_EXPORT ValueId AddLayerNormalization(Graph & graph,
                                                       ValueId x,
                                                       const ChannelAffine & affine = {},
                                                       double epsilon = 1e-5,
                                                       const std::string & name = "layer_norm");

/** Over batch and pixels, of the statistics of this batch, as in training.
 * \param x [batch..., C, spatial...].
 * \param moments as of AddNormalization(). \ingroup UniverSegLayers */
UniverSegNetworks_EXPORT ValueId AddBatchNormalization(Graph & graph,
                                                       ValueId x,
                                                       std::size_t rank,
                                                       const ChannelAffine & affine = {},
                                                       double epsilon = 1e-5,
                                                       const std::string & name = "batch_norm",
                                                       NormalizationMoments * moments = nullptr);

/** The same with statistics that were kept, as in inference: a pass folds it into
 * the convolution before it.
 * \param mean [C] \param variance [C]. \ingroup UniverSegLayers */
UniverSegNetworks_EXPORT ValueId AddKeptBatchNormalization(Graph & graph,
                                                           ValueId x,
                                                           std::size_t rank,
                                                           ValueId mean,
                                                           ValueId variance,
                                                           const ChannelAffine & affine = {},
                                                           double epsilon = 1e-5,
                                                           const std::string & name = "batch_norm");

/** softmax(queries keys^T / sqrt(d)) values: scaled dot-product attention (A. Vaswani
 * et al., arXiv:1706.03762).
 * \param queries [..., M, d] \param keys [..., N, d] \param values [..., N, e]
 * \return [..., M, e]. \ingroup UniverSegLayers */
UniverSegNetworks_EXPORT ValueId
AddAttention(Graph & graph, ValueId queries, ValueId keys, ValueId values, const std::string & name = "attention");
} // namespace nn
} // namespace itk

#endif
